package main

import (
	"fmt"

	"example.org/library"
)

var version = "unstamped"

func main() { fmt.Println("hello", version, "from", library.Name()) }
