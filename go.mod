module github.com/paddock-run/paddock

go 1.26
