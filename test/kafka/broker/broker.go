// Package broker runs a real Apache Kafka for tests: one node that is broker and
// controller (KRaft), on loopback, with a listener for each way of logging in.
package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/test/need"
)

// The user that every SASL listener knows.
const (
	User     = "paddock"
	Password = "a-secret-of-tests"
)

// Broker is a running Kafka. Its addresses stay the same over a restart.
type Broker struct {
	Plaintext     string // no encryption, no login
	SASLPlaintext string // no encryption; PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	SASL          string // TLS; PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	TLS           string // TLS, no login
	MutualTLS     string // TLS, and the client shows a certificate
	PKI           *PKI   // whom the TLS listeners trust, and who signed theirs

	folder, libs string
	archive      bool // Java writes down the classes that were loaded, when it ends
	java         string
	cmd          *exec.Cmd
	exited       chan struct{}
	log          *output
}

// output keeps what the broker prints, for the test that fails to show.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Run starts a broker for the tests of a package and runs them: to be called by
// TestMain. Where Kafka is not installed the tests run without one, and Shared
// ends those that ask for it.
func Run(m *testing.M) int {
	b, err := start()
	if err != nil {
		missing = err
		return m.Run()
	}
	shared = b
	code := m.Run()
	if err := b.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if err := os.RemoveAll(b.folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

var (
	shared  *Broker
	missing error
)

// errNotInstalled is for a machine without Java or without Kafka's jars.
var errNotInstalled = errors.New("not installed")

// Shared returns the broker that Run started. Without Kafka the test is skipped,
// or fails with CI=true.
func Shared(t testing.TB) *Broker {
	t.Helper()
	switch {
	case errors.Is(missing, errNotInstalled):
		need.Missing(t, "Kafka (make deps installs it): %v", missing)
	case missing != nil:
		t.Fatalf("Kafka does not start: %v", missing)
	case shared == nil:
		t.Fatal("TestMain does not call broker.Run")
	}
	return shared
}

// Start starts a broker of the test's own, which ends with the test.
func Start(t testing.TB) *Broker {
	t.Helper()
	b, err := start()
	if errors.Is(err, errNotInstalled) {
		need.Missing(t, "Kafka (make deps installs it): %v", err)
	}
	if err != nil {
		t.Fatalf("Kafka does not start: %v", err)
	}
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the broker's output:\n%s", b.log)
		}
		if err := os.RemoveAll(b.folder); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Archive starts a broker and ends it, so that Java leaves an archive of the loaded
// classes beside Kafka's jars, which halves the time of later starts. It is what
// scripts/deps.sh calls.
func Archive() error {
	b, err := open(true)
	if err != nil {
		return err
	}
	// Java writes nothing down when it is killed.
	err = b.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-b.exited:
	case <-time.After(time.Minute):
		err = errors.Join(err, errors.New("the broker does not end"), b.stop())
	}
	return errors.Join(err, os.RemoveAll(b.folder))
}

func start() (*Broker, error) { return open(false) }

func open(archive bool) (*Broker, error) {
	libs, err := jars()
	if err != nil {
		return nil, err
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotInstalled, err)
	}
	pki, err := newPKI()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "paddock-kafka-")
	if err != nil {
		return nil, err
	}
	b := &Broker{PKI: pki, folder: folder, libs: libs, java: java, archive: archive, log: &output{}}
	if err := b.configure(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := b.launch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := b.addUser(); err != nil {
		return nil, errors.Join(err, b.stop(), os.RemoveAll(folder))
	}
	return b, nil
}

// jars finds .deps/kafka from whichever folder of the tree the test runs in.
func jars() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the test's folder")
		}
	}
	libs := filepath.Join(dir, ".deps", "kafka")
	if found, err := filepath.Glob(filepath.Join(libs, "kafka_*.jar")); err != nil || len(found) == 0 {
		return "", fmt.Errorf("%w: no Kafka in %s", errNotInstalled, libs)
	}
	return libs, nil
}

// configure chooses ports and writes the broker's files: what the format command
// would write takes another start of Java.
func (b *Broker) configure() error {
	ports := make([]string, 6)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().String()
	}
	b.Plaintext, b.SASLPlaintext, b.SASL, b.TLS, b.MutualTLS = ports[0], ports[1], ports[2], ports[3], ports[4]
	listeners := "PLAINTEXT://" + b.Plaintext + ",SASLPLAIN://" + b.SASLPlaintext + ",SASL://" + b.SASL + ",TLS://" + b.TLS + ",MTLS://" + b.MutualTLS
	data := filepath.Join(b.folder, "data")
	keys, trusted := filepath.Join(b.folder, "server.pem"), filepath.Join(b.folder, "ca.pem")
	config := []string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + ports[5],
		"listeners=" + listeners + ",CONTROLLER://" + ports[5],
		"advertised.listeners=" + listeners,
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=PLAINTEXT",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASLPLAIN:SASL_PLAINTEXT,SASL:SASL_SSL,TLS:SSL,MTLS:SSL",
		"log.dirs=" + data,
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
		"group.min.session.timeout.ms=1000",
		"auto.create.topics.enable=false",
		// A broker that was killed is only let in again when the controller has
		// given up the one before.
		"broker.session.timeout.ms=1500",
		"broker.heartbeat.interval.ms=300",
		"controlled.shutdown.enable=false",
		"log.retention.ms=-1", // what is old by its timestamp stays
		"log.message.timestamp.before.max.ms=9223372036854775807",
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"ssl.keystore.type=PEM",
		"ssl.keystore.location=" + keys,
		"ssl.truststore.type=PEM",
		"ssl.truststore.location=" + trusted,
		"listener.name.mtls.ssl.client.auth=required",
	}
	for _, name := range []string{"saslplain", "sasl"} {
		config = append(config,
			"listener.name."+name+".plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_"+User+"=\""+Password+"\";",
			"listener.name."+name+".scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
			"listener.name."+name+".scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;")
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	log4j := []string{"rootLogger.level=WARN", "rootLogger.appenderRef.c.ref=C", "appender.c.type=Console", "appender.c.name=C",
		"appender.c.layout.type=PatternLayout", "appender.c.layout.pattern=%d %p %m%n"}
	for path, lines := range map[string][]string{
		filepath.Join(data, "meta.properties"):          {"version=1", "cluster.id=cGFkZG9jay10ZXN0cy0wMQ", "node.id=1", "directory.id=cGFkZG9jay10ZXN0cy0wMg"},
		filepath.Join(b.folder, "server.properties"):    config,
		filepath.Join(b.folder, "log4j2.properties"):    log4j,
		filepath.Join(b.folder, filepath.Base(keys)):    {string(b.PKI.server)},
		filepath.Join(b.folder, filepath.Base(trusted)): {string(b.PKI.CA)},
	} {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// launch starts Java and waits until the broker answers.
func (b *Broker) launch() error {
	// The compiler's second tier and a collector with threads of its own only
	// cost time in a broker that lives for a minute.
	classpath, err := filepath.Glob(filepath.Join(b.libs, "*.jar"))
	if err != nil {
		return err
	}
	args := []string{"-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j2.configurationFile=" + filepath.Join(b.folder, "log4j2.properties"), "-cp", strings.Join(classpath, string(os.PathListSeparator))}
	archive := filepath.Join(b.libs, "classes.jsa")
	if b.archive {
		args = append(args, "-XX:ArchiveClassesAtExit="+archive)
	} else if _, err := os.Stat(archive); err == nil {
		args = append(args, "-XX:SharedArchiveFile="+archive)
	}
	b.cmd = exec.Command(b.java, append(args, "kafka.Kafka", filepath.Join(b.folder, "server.properties"))...)
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	endWithParent(b.cmd)
	if err := b.cmd.Start(); err != nil {
		return err
	}
	b.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(b.cmd, b.exited)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	go func(exited chan struct{}) {
		select {
		case <-exited:
			cancel() // there is nothing to wait for any more
		case <-ctx.Done():
		}
	}(b.exited)
	var cl *kgo.Client
	cl, err = kgo.NewClient(kgo.SeedBrokers(b.Plaintext), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }), kgo.RequestRetries(1<<20))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		if _, err = kadm.NewClient(cl).ListTopics(ctx); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("the broker does not answer: %w\n%s", err, b.log), b.stop())
		}
	}
}

// addUser gives User its SCRAM credentials, which live in the broker's metadata.
func (b *Broker) addUser() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Plaintext))
	if err != nil {
		return err
	}
	defer cl.Close()
	// One request may name a user only once.
	for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		out, err := kadm.NewClient(cl).AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: User, Mechanism: mechanism, Iterations: 4096, Password: Password}})
		if err := errors.Join(err, out.Error()); err != nil {
			return err
		}
	}
	return nil
}

// Kill ends the broker as a machine that fails would.
func (b *Broker) Kill(t testing.TB) {
	t.Helper()
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
}

// Restart starts a broker that was killed, with its data and on its addresses.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	if err := b.launch(); err != nil {
		t.Fatal(err)
	}
}

func (b *Broker) stop() error {
	select {
	case <-b.exited:
		return nil
	default:
	}
	if err := b.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("the broker (process %d) cannot be stopped: %w", b.cmd.Process.Pid, err)
	}
	<-b.exited
	return nil
}

// Client is a client without login, closed when the test ends.
func (b *Broker) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Plaintext), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// Topic creates a topic with a name that no other test has.
func (b *Broker) Topic(t testing.TB, partitions int32) string {
	t.Helper()
	name := strings.NewReplacer("/", ".", " ", "_").Replace(t.Name()) + "." + strconv.FormatInt(time.Now().UnixNano(), 36)
	if _, err := kadm.NewClient(b.Client(t)).CreateTopic(t.Context(), partitions, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	return name
}
