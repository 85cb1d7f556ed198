// What the tests of traces send spans to: the OTLP receiver of the OpenTelemetry Collector, gRPC and
// HTTP on free ports of loopback. The first line of standard output is the two addresses; each
// further one is a batch as it came, in OTLP's JSON. It ends with its standard input.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/otel/metric/noop"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

type host struct{}

func (host) GetExtensions() map[component.ID]component.Component { return nil }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	grpc, http := free(), free()
	config.Protocols.GRPC.GetOrInsertDefault().NetAddr.Endpoint = grpc
	config.Protocols.HTTP.GetOrInsertDefault().ServerConfig.NetAddr.Endpoint = http

	var out sync.Mutex
	marshaler := ptrace.JSONMarshaler{}
	print, err := consumer.NewTraces(func(_ context.Context, traces ptrace.Traces) error {
		text, err := marshaler.MarshalTraces(traces)
		if err != nil {
			return err
		}
		out.Lock()
		defer out.Unlock()
		_, err = fmt.Printf("%s\n", text)
		return err
	})
	if err != nil {
		return err
	}
	settings := receiver.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{
			Logger:         zap.NewNop(),
			TracerProvider: nooptrace.NewTracerProvider(),
			MeterProvider:  noop.NewMeterProvider(),
		},
	}
	traces, err := factory.CreateTraces(context.Background(), settings, config, print)
	if err != nil {
		return err
	}
	if err := traces.Start(context.Background(), host{}); err != nil {
		return err
	}
	fmt.Println(grpc, http)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// An address of loopback that nobody listens at.
func free() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer listener.Close()
	return listener.Addr().String()
}
