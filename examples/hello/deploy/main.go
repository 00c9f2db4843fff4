// Deploy puts examples/hello on whatever AWS_ENDPOINT_URL names, as any program
// with the AWS SDK would: a Python and a Node.js function, each with an HTTP API
// in front. A second run updates what is there.
package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// A function of the example: its folder becomes its code.
type function struct {
	name, folder, handler string
	runtime               types.Runtime
}

var functions = []function{
	{name: "hello-python", folder: "python", handler: "app.handler", runtime: types.RuntimePython313},
	{name: "hello-node", folder: "node", handler: "index.handler", runtime: types.RuntimeNodejs22x},
}

func main() {
	dir := flag.String("dir", "examples/hello", "folder of the example")
	pid := flag.Int("pid", 0, "process of the server: stop waiting when it has ended")
	flag.Parse()
	if err := run(*dir, *pid); err != nil {
		fmt.Fprintln(os.Stderr, "deploy:", err)
		os.Exit(1)
	}
}

func run(dir string, pid int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	endpoint := cmp.Or(os.Getenv("AWS_ENDPOINT_URL"), "http://127.0.0.1:4566")
	if err := ready(ctx, endpoint, pid); err != nil {
		return err
	}
	options := []func(*config.LoadOptions) error{
		config.WithBaseEndpoint(endpoint),
		config.WithRegion(cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")),
	}
	if os.Getenv("AWS_ACCESS_KEY_ID") == "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return err
	}
	var lines []string
	for _, f := range functions {
		arn, err := deploy(ctx, lambda.NewFromConfig(cfg), dir, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		url, err := expose(ctx, apigatewayv2.NewFromConfig(cfg), f.name, arn)
		if err != nil {
			return fmt.Errorf("the API of %s: %w", f.name, err)
		}
		lines = append(lines, fmt.Sprintf("  curl '%s/?name=you'    # %s, %s", url, f.name, f.runtime))
	}
	fmt.Printf("\nexamples/hello is deployed. Try:\n%s\n\n", strings.Join(lines, "\n"))
	return nil
}

// ready waits until the server answers. Where the server could not have its
// port, somebody else's may answer there, which is not to get the example.
func ready(ctx context.Context, endpoint string, pid int) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := http.Get(endpoint + "/_paddock/health")
		if err == nil {
			res.Body.Close()
		}
		if pid != 0 && syscall.Kill(pid, 0) != nil {
			return errors.New("the server has ended before it was ready; its message is above")
		}
		if err == nil {
			if res.StatusCode == http.StatusOK {
				return nil
			}
			return fmt.Errorf("%s answers its health page with %s", endpoint, res.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", endpoint, err)
		case <-tick.C:
		}
	}
}

// deploy creates a function, or gives the one that is there this code.
func deploy(ctx context.Context, client *lambda.Client, dir string, f function) (string, error) {
	code, err := pack(filepath.Join(dir, f.folder))
	if err != nil {
		return "", err
	}
	created, err := client.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &f.name,
		Runtime:      f.runtime,
		Handler:      &f.handler,
		Role:         aws.String("arn:aws:iam::000000000000:role/hello"),
		Code:         &types.FunctionCode{ZipFile: code},
	})
	var exists *types.ResourceConflictException
	switch {
	case errors.As(err, &exists):
		updated, err := client.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &f.name, ZipFile: code})
		if err != nil {
			return "", err
		}
		wait := lambda.NewFunctionUpdatedV2Waiter(client, func(o *lambda.FunctionUpdatedV2WaiterOptions) { o.MinDelay = 50 * time.Millisecond })
		return *updated.FunctionArn, wait.Wait(ctx, &lambda.GetFunctionInput{FunctionName: &f.name}, 30*time.Second)
	case err != nil:
		return "", err
	}
	wait := lambda.NewFunctionActiveV2Waiter(client, func(o *lambda.FunctionActiveV2WaiterOptions) { o.MinDelay = 50 * time.Millisecond })
	return *created.FunctionArn, wait.Wait(ctx, &lambda.GetFunctionInput{FunctionName: &f.name}, 30*time.Second)
}

// expose gives a function an HTTP API, unless there is one of that name.
func expose(ctx context.Context, client *apigatewayv2.Client, name, arn string) (string, error) {
	var next *string
	for {
		page, err := client.GetApis(ctx, &apigatewayv2.GetApisInput{NextToken: next})
		if err != nil {
			return "", err
		}
		for _, api := range page.Items {
			if *api.Name == name {
				return *api.ApiEndpoint, nil
			}
		}
		if next = page.NextToken; next == nil {
			break
		}
	}
	api, err := client.CreateApi(ctx, &apigatewayv2.CreateApiInput{
		Name: &name, ProtocolType: gatewaytypes.ProtocolTypeHttp, Target: &arn,
	})
	if err != nil {
		return "", err
	}
	return *api.ApiEndpoint, nil
}

// pack zips the files of a folder.
func pack(dir string) ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		return nil, err
	}
	err := w.Close()
	return buf.Bytes(), err
}
