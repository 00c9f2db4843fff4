package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"
)

// Go's library does not read encrypted private keys in the form that Lambda
// wants them in (RFC 5958, RFC 8018): this does, for PBES1, which is what Lambda
// takes, for PBES2, which is what today's tools write, and for PKCS #12's triple
// DES, which openssl calls PBE-SHA1-3DES (RFC 7292).

var (
	oidMD5DES       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 3}
	oidSHA1DES      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 10}
	oidPKCS12TDES   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}
	oidPBES2        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA1     = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}
	oidHMACSHA256   = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidHMACSHA512   = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 11}
	oidAES128CBC    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES192CBC    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}
	oidAES256CBC    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
	oidDESEDE3CBC   = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
	errWrongKey     = errors.New("the private key does not decrypt: privateKeyPassword is wrong")
	errNotEncrypted = errors.New("the private key is no encrypted PKCS #8")
)

// maxIterations bounds the work that a secret can ask for.
const maxIterations = 10_000_000

type saltAndCount struct {
	Salt       []byte
	Iterations int
}

// decryptPKCS8 returns the DER of the key in an EncryptedPrivateKeyInfo.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, errNotEncrypted
	}
	if password == "" {
		return nil, errors.New("the private key is encrypted, and there is no privateKeyPassword")
	}
	mode, err := decrypter(info.Algorithm, password)
	if err != nil {
		return nil, err
	}
	return decrypt(mode, info.Data)
}

func decrypter(a pkix.AlgorithmIdentifier, password string) (cipher.BlockMode, error) {
	if a.Algorithm.Equal(oidPBES2) {
		return pbes2(a.Parameters.FullBytes, password)
	}
	var p saltAndCount
	if _, err := asn1.Unmarshal(a.Parameters.FullBytes, &p); err != nil || p.Iterations < 1 || p.Iterations > maxIterations {
		return nil, errNotEncrypted
	}
	switch {
	case a.Algorithm.Equal(oidMD5DES):
		return pbes1(md5.New(), &p, password)
	case a.Algorithm.Equal(oidSHA1DES):
		return pbes1(sha1.New(), &p, password)
	case a.Algorithm.Equal(oidPKCS12TDES):
		block, err := des.NewTripleDESCipher(pkcs12(1, &p, password, 24))
		if err != nil {
			return nil, err
		}
		return cipher.NewCBCDecrypter(block, pkcs12(2, &p, password, des.BlockSize)), nil
	}
	return nil, fmt.Errorf("the private key is encrypted in a way that is not known here (%s)", a.Algorithm)
}

// pbes1 is PBKDF1 and DES: RFC 8018, section 6.1.
func pbes1(h hash.Hash, p *saltAndCount, password string) (cipher.BlockMode, error) {
	derived := append([]byte(password), p.Salt...)
	for range p.Iterations {
		h.Reset()
		h.Write(derived)
		derived = h.Sum(nil)
	}
	block, err := des.NewCipher(derived[:8])
	if err != nil {
		return nil, err
	}
	return cipher.NewCBCDecrypter(block, derived[8:16]), nil
}

// pkcs12 derives n bytes for a purpose (1: a key, 2: an initial vector) with
// SHA-1: RFC 7292, appendix B.2.
func pkcs12(purpose byte, p *saltAndCount, password string, n int) []byte {
	const v = 64
	var text []byte
	for _, c := range append(utf16.Encode([]rune(password)), 0) {
		text = append(text, byte(c>>8), byte(c))
	}
	repeated := func(b []byte) []byte {
		out := make([]byte, (len(b)+v-1)/v*v)
		for i := range out {
			out[i] = b[i%len(b)]
		}
		return out
	}
	input := repeated(text)
	if len(p.Salt) > 0 {
		input = append(repeated(p.Salt), input...)
	}
	d := make([]byte, v)
	for i := range d {
		d[i] = purpose
	}
	var out []byte
	for {
		a := sha1.Sum(append(append([]byte{}, d...), input...))
		for range p.Iterations - 1 {
			a = sha1.Sum(a[:])
		}
		if out = append(out, a[:]...); len(out) >= n {
			return out[:n]
		}
		// Each block of the input grows by the hash, repeated, and by one.
		for j := 0; j < len(input); j += v {
			carry := 1
			for k := v - 1; k >= 0; k-- {
				sum := int(input[j+k]) + int(a[k%len(a)]) + carry
				input[j+k], carry = byte(sum), sum>>8
			}
		}
	}
}

// pbes2 is PBKDF2 and AES or triple DES: RFC 8018, section 6.2.
func pbes2(parameters []byte, password string) (cipher.BlockMode, error) {
	var p struct{ Derivation, Encryption pkix.AlgorithmIdentifier }
	if _, err := asn1.Unmarshal(parameters, &p); err != nil || !p.Derivation.Algorithm.Equal(oidPBKDF2) {
		return nil, errors.New("the key of the private key is derived in a way that is not known here")
	}
	var d struct {
		Salt       []byte
		Iterations int
		Length     int                      `asn1:"optional"`
		Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(p.Derivation.Parameters.FullBytes, &d); err != nil || d.Iterations < 1 || d.Iterations > maxIterations {
		return nil, errNotEncrypted
	}
	var h func() hash.Hash
	switch {
	case len(d.Hash.Algorithm) == 0, d.Hash.Algorithm.Equal(oidHMACSHA1):
		h = sha1.New
	case d.Hash.Algorithm.Equal(oidHMACSHA256):
		h = sha256.New
	case d.Hash.Algorithm.Equal(oidHMACSHA512):
		h = sha512.New
	default:
		return nil, fmt.Errorf("the key of the private key is derived with a hash that is not known here (%s)", d.Hash.Algorithm)
	}
	var length int
	newBlock := aes.NewCipher
	switch e := p.Encryption.Algorithm; {
	case e.Equal(oidAES128CBC):
		length = 16
	case e.Equal(oidAES192CBC):
		length = 24
	case e.Equal(oidAES256CBC):
		length = 32
	case e.Equal(oidDESEDE3CBC):
		length, newBlock = 24, des.NewTripleDESCipher
	default:
		return nil, fmt.Errorf("the private key is encrypted with a cipher that is not known here (%s)", e)
	}
	var iv []byte
	if _, err := asn1.Unmarshal(p.Encryption.Parameters.FullBytes, &iv); err != nil {
		return nil, errNotEncrypted
	}
	key, err := pbkdf2.Key(h, password, d.Salt, d.Iterations, length)
	if err != nil {
		return nil, err
	}
	block, err := newBlock(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != block.BlockSize() {
		return nil, errNotEncrypted
	}
	return cipher.NewCBCDecrypter(block, iv), nil
}

// decrypt undoes CBC and PKCS #7's padding.
func decrypt(mode cipher.BlockMode, data []byte) ([]byte, error) {
	if len(data) == 0 || len(data)%mode.BlockSize() != 0 {
		return nil, errNotEncrypted
	}
	out := make([]byte, len(data))
	mode.CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > mode.BlockSize() {
		return nil, errWrongKey
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, errWrongKey
		}
	}
	return out[:len(out)-pad], nil
}
