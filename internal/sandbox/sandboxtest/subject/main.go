// Command subject is the program that sandboxtest runs inside of environments:
// its first argument says what it tries. It answers on its standard output.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// self is what "self" prints.
type self struct {
	Args  []string
	Env   []string
	Dir   string
	Stdin string
	Extra []string // what was read from descriptors 3, 4, …
	FDs   []string // names in /proc/self/fd
	UID   int
	Files uint64 // soft limit of descriptors
	Host  string
}

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("no command"))
	}
	do(os.Args[1], os.Args[2:])
}

func do(command string, args []string) {
	switch command {
	case "byte": // the fastest sign of life
		_, err := os.Stdout.Write([]byte{1})
		fail(err)
	case "await": // says that it does, and runs the command that it then reads
		_, err := os.Stdout.Write([]byte{1})
		fail(err)
		var later []string
		fail(json.NewDecoder(os.NewFile(3, "command")).Decode(&later))
		do(later[0], later[1:])
	case "exit":
		os.Exit(number(args[0]))
	case "raise":
		fail(syscall.Kill(os.Getpid(), syscall.Signal(number(args[0]))))
		select {}
	case "sleep":
		time.Sleep(time.Hour)
	case "self":
		printSelf(args)
	case "read":
		text, err := os.ReadFile(args[0])
		report(string(text), err)
	case "list":
		entries, err := os.ReadDir(args[0])
		names := make([]string, len(entries))
		for i, entry := range entries {
			names[i] = entry.Name()
		}
		report(strings.Join(names, " "), err)
	case "write":
		report("written", os.WriteFile(args[0], []byte("x"), 0o600))
	case "execute":
		out, err := exec.Command(args[0], args[1:]...).Output()
		report(string(out), err)
	case "fill":
		fill(args[0], number(args[1]))
	case "allocate":
		allocate(number(args[0]))
	case "burn":
		burn(time.Duration(number(args[0])) * time.Millisecond)
	case "child": // the same as a child process; says how that ended
		child := exec.Command(executable(), args...)
		child.Stdout = os.Stdout
		report("ended well", child.Run())
	case "fork":
		forkMany(number(args[0]))
	case "dial":
		conn, err := net.DialTimeout("tcp", args[0], 2*time.Second)
		if err != nil {
			report("", err)
			return
		}
		text, err := io.ReadAll(conn)
		report(string(text), err)
	case "datagram": // what comes back for a text
		conn, err := net.Dial("udp", args[0])
		fail(err)
		_, err = conn.Write([]byte(args[1]))
		fail(err)
		fail(conn.SetReadDeadline(time.Now().Add(2 * time.Second)))
		answer := make([]byte, 1500)
		n, err := conn.Read(answer)
		report(string(answer[:n]), err)
	case "serve":
		serve(args[0], args[1])
	case "addresses": // its own, but for the loopback interface's
		addresses, err := net.InterfaceAddrs()
		fail(err)
		var list []string
		for _, address := range addresses {
			if ip, ok := address.(*net.IPNet); ok && !ip.IP.IsLoopback() {
				list = append(list, ip.IP.String())
			}
		}
		report(strings.Join(list, " "), nil)
	case "lookup":
		addresses, err := net.LookupHost(args[0])
		report(strings.Join(addresses, " "), err)
	case "kill":
		report("killed", syscall.Kill(number(args[0]), syscall.SIGKILL))
	case "tick":
		tick()
	case "daemon":
		daemon(args)
	case "forbidden":
		forbidden()
	default:
		fail(fmt.Errorf("unknown command %q", command))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "subject:", err)
		os.Exit(99)
	}
}

// executable is this program: Args[0] is whatever the suite made it.
func executable() string {
	path, err := os.Executable()
	fail(err)
	return path
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	fail(err)
	return n
}

// report prints what was found, or the reason why not after "error: ".
func report(found string, err error) {
	if err != nil {
		found = "error: " + err.Error()
	}
	_, err = os.Stdout.WriteString(found)
	fail(err)
}

func printSelf(args []string) {
	var s self
	var err error
	s.Args, s.Env, s.UID = os.Args, os.Environ(), os.Getuid()
	s.Dir, err = os.Getwd()
	fail(err)
	s.Host, err = os.Hostname()
	fail(err)
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		for _, entry := range entries {
			target, err := os.Readlink("/proc/self/fd/" + entry.Name())
			// Neither the folder that is being read nor what Go's runtime opened.
			if err == nil && !strings.HasSuffix(target, "/fd") && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/sys/fs/cgroup/") {
				s.FDs = append(s.FDs, entry.Name())
			}
		}
	}
	text, err := io.ReadAll(os.Stdin)
	fail(err)
	s.Stdin = string(text)
	for _, arg := range args {
		if arg != "extra" {
			continue
		}
		text, err := io.ReadAll(os.NewFile(uintptr(3+len(s.Extra)), "extra"))
		fail(err)
		s.Extra = append(s.Extra, string(text))
	}
	// Last: drivers may set it while the program begins. The end of an extra file
	// tells that Start has returned.
	var limit syscall.Rlimit
	fail(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	s.Files = uint64(limit.Cur)
	fail(json.NewEncoder(os.Stdout).Encode(s))
}

// fill writes up to n MB to a file.
func fill(path string, megabytes int) {
	file, err := os.Create(path)
	fail(err)
	block := make([]byte, 1<<20)
	for written := range megabytes {
		if _, err := file.Write(block); err != nil {
			report("", fmt.Errorf("after %d MB: %w", written, err))
			return
		}
	}
	report("filled", nil)
}

func allocate(megabytes int) {
	var kept [][]byte
	for range megabytes {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	report(fmt.Sprintf("allocated %d MB", len(kept)), nil)
}

// burn spins for a while and prints the milliseconds of a processor that it got.
func burn(howLong time.Duration) {
	for end := time.Now().Add(howLong); time.Now().Before(end); {
	}
	var used syscall.Rusage
	fail(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	report(strconv.FormatInt((used.Utime.Nano()+used.Stime.Nano())/int64(time.Millisecond), 10), nil)
}

// forkMany starts up to n sleeping children and says how many it could.
func forkMany(n int) {
	for started := range n {
		if err := exec.Command(executable(), "sleep").Start(); err != nil {
			report("", fmt.Errorf("after %d: %w", started, err))
			return
		}
	}
	report("started all", nil)
}

// serve answers every connection with a text, and prints a byte when it listens.
func serve(address, text string) {
	listener, err := net.Listen("tcp", address)
	fail(err)
	_, err = os.Stdout.Write([]byte{1})
	fail(err)
	for {
		conn, err := listener.Accept()
		fail(err)
		_, err = conn.Write([]byte(text))
		fail(errors.Join(err, conn.Close()))
	}
}

// tick writes bytes for ever.
func tick() {
	for {
		_, err := os.Stdout.Write([]byte{'.'})
		fail(err)
		time.Sleep(time.Millisecond)
	}
}

// daemon starts a command in a session of its own, from a child that ends, so
// that nothing ties it to what started it but what it inherited.
func daemon(args []string) {
	if args[0] == "again" {
		child := exec.Command(executable(), args[1:]...)
		child.Stdout = os.Stdout
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		fail(child.Start())
		return
	}
	child := exec.Command(executable(), append([]string{"daemon", "again"}, args...)...)
	child.Stdout = os.Stdout
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	fail(child.Run())
}
