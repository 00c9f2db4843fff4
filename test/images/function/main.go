// A function for images: it says how it was started. With the argument "exit" it
// ends at once, as a program that is no client of the Runtime API does.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

type answer struct {
	Args      []string
	Dir       string
	User      int
	Files     int // in /data
	Variables map[string]string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "exit" {
		return
	}
	lambda.Start(func(context.Context, map[string]any) (*answer, error) {
		dir, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		files, err := os.ReadDir("/data")
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		return &answer{Args: os.Args, Dir: dir, User: os.Getuid(), Files: len(files), Variables: map[string]string{"OF_IMAGE": os.Getenv("OF_IMAGE"), "LAMBDA_TASK_ROOT": os.Getenv("LAMBDA_TASK_ROOT")}}, nil
	})
}
