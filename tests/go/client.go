// A client of flyteidl2.connector as Flyte's back end is one: round robin, keepalive pings, deadlines, no retries.
// Messages are written by hand, so nothing has to be generated. It prints a line for each check, "ok" or "FAIL".
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/ioutil"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	jobs     = "/flyteidl2.connector.AsyncConnectorService/"
	metadata = "/flyteidl2.connector.ConnectorMetadataService/"
	taskType = "go_job"

	customField = 5 // of TaskTemplate
)

type raw struct{}

func (raw) Marshal(v interface{}) ([]byte, error) { return *(v.(*[]byte)), nil }
func (raw) Unmarshal(data []byte, v interface{}) error {
	*(v.(*[]byte)) = append([]byte(nil), data...)
	return nil
}
func (raw) Name() string { return "proto" }

var (
	connection *grpc.ClientConn
	template   []byte
	failed     bool
)

// put appends a field of bytes.
func put(b []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), value)
}

// field finds a field of bytes at a path of numbers.
func field(b []byte, path ...protowire.Number) []byte {
	for _, wanted := range path {
		var found []byte
		for len(b) > 0 {
			number, kind, n := protowire.ConsumeTag(b)
			if n < 0 {
				return nil
			}
			b = b[n:]
			if number == wanted && kind == protowire.BytesType {
				found, n = protowire.ConsumeBytes(b)
			} else {
				n = protowire.ConsumeFieldValue(number, kind, b)
			}
			if n < 0 {
				return nil
			}
			b = b[n:]
		}
		b = found
	}
	return b
}

// phase is Resource.phase of a GetTaskResponse.
func phase(reply []byte) uint64 {
	b, found := field(reply, 1), uint64(0)
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		b = b[n:]
		if number == 5 && kind == protowire.VarintType {
			found, n = protowire.ConsumeVarint(b)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		b = b[n:]
	}
	return found
}

func call(method string, request []byte, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var reply []byte
	err := connection.Invoke(ctx, method, &request, &reply, grpc.ForceCodec(raw{}))
	return reply, err
}

func create(run string, custom []byte, timeout time.Duration) ([]byte, error) {
	execution := put(put(put(nil, 1, []byte("p")), 2, []byte("d")), 4, []byte(run))
	node := put(put(nil, 1, []byte("a0")), 2, execution)
	id := put(nil, 2, node)
	request := put(put(nil, 2, append(append([]byte(nil), template...), custom...)), 4, put(nil, 1, id))
	reply, err := call(jobs+"CreateTask", request, timeout)
	return field(reply, 1), err
}

func about(meta []byte) []byte { return put(put(nil, 2, meta), 3, put(nil, 1, []byte(taskType))) }

func get(meta []byte, timeout time.Duration) ([]byte, error) {
	return call(jobs+"GetTask", about(meta), timeout)
}

// number is a TaskTemplate with a number in its custom, to be merged with another one.
func number(name string, value float64) []byte {
	bits := protowire.AppendFixed64(protowire.AppendTag(nil, 2, protowire.Fixed64Type), math.Float64bits(value))
	entry := put(put(nil, 1, []byte(name)), 2, bits)
	return put(nil, customField, put(nil, 1, entry))
}

func check(name string, ok bool, notes ...interface{}) {
	mark := "ok  "
	if !ok {
		mark, failed = "FAIL", true
	}
	fmt.Println(mark, name, fmt.Sprint(notes...))
}

func dial(targets string) {
	builder := manual.NewBuilderWithScheme("replicas")
	var addresses []resolver.Address
	for _, target := range strings.Split(targets, ",") {
		addresses = append(addresses, resolver.Address{Addr: target})
	}
	builder.InitialState(resolver.State{Addresses: addresses})
	pings := keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}
	var err error
	connection, err = grpc.Dial("replicas:///service", grpc.WithInsecure(), grpc.WithResolvers(builder),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithKeepaliveParams(pings))
	if err != nil {
		panic(err)
	}
}

func life() {
	meta, err := create("life", nil, 10*time.Second)
	check("create", err == nil && len(meta) > 0, err)
	var reply []byte
	for i := 0; i < 100 && phase(reply) != 3; i++ {
		reply, err = get(meta, 10*time.Second)
		time.Sleep(50 * time.Millisecond)
	}
	output := string(field(reply, 1, 2, 1, 2, 1, 1, 3)) // resource.outputs.literals.value.scalar.primitive.string_value
	check("get until SUCCEEDED, with its output", err == nil && strings.HasPrefix(output, "life-a0-0-"), output, err)
	for i := 0; i < 3; i++ { // on both replicas
		_, err = call(jobs+"DeleteTask", about(meta), 10*time.Second)
		check(fmt.Sprint("delete, time ", i+1), err == nil, err)
	}
	_, err = call(jobs+"GetTask", put(put(nil, 2, meta), 3, put(nil, 1, []byte("no_such"))), 10*time.Second)
	check("get of an unknown type is NOT_FOUND", status.Code(err) == codes.NotFound, err)
}

func metadataAndHealth() {
	reply, err := call(metadata+"ListConnectors", nil, 3*time.Second)
	check("list connectors", err == nil && strings.Contains(string(reply), taskType), err)
	reply, err = call(metadata+"GetConnector", put(nil, 1, []byte("Go Connector")), 3*time.Second)
	check("get connector", err == nil && strings.Contains(string(reply), taskType), err)
	health := grpc_health_v1.NewHealthClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	check("health is SERVING", err == nil && answer.Status == grpc_health_v1.HealthCheckResponse_SERVING, err)
	watch, err := health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: "connector/" + taskType})
	if err == nil {
		answer, err = watch.Recv()
	}
	check("health of a connector, watched", err == nil && answer.Status == grpc_health_v1.HealthCheckResponse_SERVING, err)
}

func balance() {
	meta, err := create("balance", nil, 10*time.Second)
	replicas := map[string]int{}
	for i := 0; i < 20 && err == nil; i++ {
		var reply []byte
		reply, err = get(meta, 5*time.Second)
		replicas[string(field(reply, 1, 3))]++
	}
	check("calls of one job go to both replicas in turn", err == nil && len(replicas) == 2, replicas, err)
	for replica, calls := range replicas {
		check("share of replica "+replica, calls == 10, calls)
	}
}

func deadlines() {
	meta, err := create("slow", number("slow", 30), 10*time.Second)
	check("create of a job whose polls hang", err == nil, err)
	began := time.Now()
	reply, err := get(meta, 2*time.Second)
	check("a poll that hangs is answered in time, as RUNNING", err == nil && phase(reply) == 2 && time.Since(began) < 2*time.Second,
		time.Since(began), err)
	began = time.Now()
	meta, err = create("late", number("slow_create", 4), 2*time.Second)
	check("a create that takes too long is answered in time", err == nil && time.Since(began) < 2*time.Second, time.Since(began), err)
	reply, err = get(meta, 10*time.Second)
	check("and its job is found by any replica", err == nil, err)
}

func pings() {
	_, err := get([]byte("{}"), 5*time.Second)
	before := connection.GetState()
	time.Sleep(25 * time.Second) // two pings and more on each idle connection
	check("idle connections stay, with pings every 10 s", connection.GetState() == connectivity.Ready, before, connection.GetState())
	meta, err := create("busy", number("slow", 12), 20*time.Second)
	if err == nil {
		_, err = get(meta, 20*time.Second)
	}
	check("and so do busy ones", err == nil, err)
}

func logs(meta []byte, timeout time.Duration, most int) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, jobs+"GetTaskLogs", grpc.ForceCodec(raw{}))
	if err != nil {
		return 0, err
	}
	request := put(put(nil, 2, meta), 5, put(nil, 1, []byte(taskType)))
	if err = stream.SendMsg(&request); err != nil {
		return 0, err
	}
	stream.CloseSend()
	lines := 0
	for lines < most {
		var message []byte
		if err = stream.RecvMsg(&message); err == io.EOF {
			return lines, nil
		} else if err != nil {
			return lines, err
		}
		lines += strings.Count(string(message), "line ")
	}
	return lines, nil
}

func streams() {
	meta, err := create("streams", nil, 10*time.Second)
	check("create of a job with a log", err == nil, err)
	lines, err := logs(meta, 20*time.Second, 1<<30)
	check("a log of 10,000 lines", err == nil && lines == 10000, lines, err)
	for i := 0; i < 50 && err == nil; i++ {
		_, err = logs(meta, 20*time.Second, 1)
	}
	check("50 logs that are left after their first message", err == nil, err)
	meta, err = create("endless", number("endless", 1), 10*time.Second)
	check("create of a job with an endless log", err == nil, err)
	began := time.Now()
	lines, err = logs(meta, time.Second, 1<<30)
	check("an endless log ends at its deadline", status.Code(err) == codes.DeadlineExceeded && lines > 0 && time.Since(began) < 2*time.Second,
		lines, err)
	_, err = logs([]byte("nonsense"), 5*time.Second, 1<<30)
	check("the log of no job is INVALID_ARGUMENT", status.Code(err) == codes.InvalidArgument, err)
}

func manyErrors() {
	var all sync.WaitGroup
	var lock sync.Mutex
	found := map[codes.Code]int{}
	for i := 0; i < 400; i++ {
		all.Add(1)
		go func(turn int) {
			defer all.Done()
			request := about([]byte("nonsense"))
			if turn%2 == 1 {
				request = put(put(nil, 2, []byte("{}")), 3, put(nil, 1, []byte("no_such")))
			}
			_, err := call(jobs+"GetTask", request, 20*time.Second)
			lock.Lock()
			found[status.Code(err)]++
			lock.Unlock()
		}(i)
	}
	all.Wait()
	check("400 errors at once keep their codes", found[codes.InvalidArgument] == 200 && found[codes.NotFound] == 200, found)
	big := put(nil, 2, make([]byte, 12<<20))
	_, err := call(jobs+"GetTask", big, 20*time.Second)
	check("a request of 12 MiB is RESOURCE_EXHAUSTED", status.Code(err) == codes.ResourceExhausted, err)
	_, err = call(jobs+"NoSuchMethod", nil, 5*time.Second)
	check("an unknown method is UNIMPLEMENTED", status.Code(err) == codes.Unimplemented, err)
}

func manyCalls() {
	meta, err := create("many", nil, 10*time.Second)
	check("create of a job that is polled often", err == nil, err)
	var all sync.WaitGroup
	var lock sync.Mutex
	faults := map[string]int{}
	began := time.Now()
	for worker := 0; worker < 100; worker++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for turn := 0; turn < 100; turn++ {
				if _, err := get(meta, 20*time.Second); err != nil {
					lock.Lock()
					faults[err.Error()]++
					lock.Unlock()
				}
			}
		}()
	}
	all.Wait()
	check("10,000 calls, 100 at once", len(faults) == 0, time.Since(began), faults)
}

func load(seconds float64) {
	meta, err := create("load", nil, 10*time.Second)
	if err != nil {
		panic(err)
	}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	var lock sync.Mutex
	calls, faults := 0, map[string]int{}
	var all sync.WaitGroup
	for worker := 0; worker < 40; worker++ {
		all.Add(1)
		go func(worker int) {
			defer all.Done()
			for turn := 0; time.Now().Before(end); turn++ {
				var err error
				if turn%10 == 0 {
					_, err = create(fmt.Sprint("load-", worker, "-", turn), nil, 10*time.Second)
				} else {
					_, err = get(meta, 10*time.Second)
				}
				lock.Lock()
				calls++
				if err != nil {
					faults[err.Error()]++
				}
				lock.Unlock()
				time.Sleep(10 * time.Millisecond)
			}
		}(worker)
	}
	all.Wait()
	check("no call fails while both replicas are restarted, one after the other", len(faults) == 0 && calls > 0, calls, " calls ", faults)
}

func main() {
	targets := flag.String("targets", "", "addresses of the replicas, separated by commas")
	file := flag.String("template", "", "file with a serialized TaskTemplate")
	mode := flag.String("mode", "check", "check, or load")
	seconds := flag.Float64("seconds", 20, "length of the load")
	flag.Parse()
	var err error
	if template, err = ioutil.ReadFile(*file); err != nil {
		panic(err)
	}
	dial(*targets)
	if *mode == "load" {
		load(*seconds)
	} else {
		life()
		metadataAndHealth()
		balance()
		deadlines()
		streams()
		manyErrors()
		manyCalls()
		pings()
	}
	if failed {
		os.Exit(1)
	}
}
