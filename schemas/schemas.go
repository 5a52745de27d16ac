// Package schemas holds the contract as files: JSON Schemas of everything that is published
// or answered. It has no dependencies, so that other teams' programs can use it as it is.
package schemas

import "embed"

// Base is the prefix of every schema's id; what follows is the path of its file below v1.
const Base = "https://schemas.verdict.example/v1/"

// Files are the schemas, by their path below this folder.
//
//go:embed v1/*.json
var Files embed.FS
