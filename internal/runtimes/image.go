package runtimes

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// langImage stands for whatever a container image has in it.
const langImage language = "image"

var image = &Runtime{ExecutionEnv: "AWS_Lambda_Image", spec: spec{lang: langImage}}

// Image is what runs versions whose code is a container image: what they need of
// a runtime is in the image.
func Image() *Runtime { return image }

// imagePath is where an image's programs are looked for if it says nothing.
const imagePath = "/usr/local/bin:/usr/bin:/bin:/opt/bin"

// imageCommand is how to start an image: its entry point and command. Its Path is
// empty where it has neither.
//
// https://docs.aws.amazon.com/lambda/latest/dg/images-parms.html
func imageCommand(layout sandbox.Layout, v *function.Version) *Command {
	image := v.Image
	env := []string{
		"TZ=:UTC", "PATH=" + imagePath,
		"LAMBDA_TASK_ROOT=" + layout.Task, "LAMBDA_RUNTIME_DIR=" + layout.Runtime,
	}
	search := imagePath
	for _, entry := range image.Env {
		if name, value, _ := strings.Cut(entry, "="); name == "PATH" && value != "" {
			search = value
		}
		env = append(env, entry)
	}
	env = append(env, "AWS_EXECUTION_ENV=AWS_Lambda_Image")
	c := &Command{Args: slices.Concat(image.EntryPoint, image.Command), Dir: cmp.Or(image.WorkingDir, "/"), Env: env}
	if len(c.Args) == 0 {
		return c
	}
	c.entry = c.Args[0]
	switch {
	case path.IsAbs(c.entry):
		c.Path = c.entry
	case strings.Contains(c.entry, "/"):
		c.Path = path.Join(c.Dir, c.entry)
	default:
		for dir := range strings.SplitSeq(cmp.Or(v.Environment["PATH"], search), ":") {
			if !path.IsAbs(dir) {
				continue // as the shell's "here", which is nobody's intent
			}
			c.Fallback = append(c.Fallback, path.Join(dir, c.entry))
		}
		if len(c.Fallback) == 0 {
			c.Path = path.Join("/", c.entry)
			return c
		}
		c.Path, c.Fallback = c.Fallback[0], c.Fallback[1:]
	}
	return c
}
