// Package schemas holds the contract as files: JSON Schemas of everything that is published or answered, the descriptions of the
// streams (asyncapi.yaml) and of the read API (openapi.yaml) that refer to them, and examples. It has no dependencies, so that other
// teams' programs can use it as it is.
//
// Inside v1 only optional properties are added: the folder published holds the form that readers rely on.
package schemas

import "embed"

// Root is where relative references in the files start, and Base the prefix of every schema's id; what follows is the path of its file
// below v1.
const (
	Root = "https://schemas.verdict.example/"
	Base = Root + "v1/"
)

// Files are the schemas, by their path below this folder.
//
//go:embed v1/*.json
var Files embed.FS

// Examples are messages as they are published, by their path below this folder. The name of a file begins with that of its schema.
//
//go:embed examples/*.json
var Examples embed.FS

// OpenAPI describes the read API.
//
//go:embed openapi.yaml
var OpenAPI []byte

// AsyncAPI describes the streams.
//
//go:embed asyncapi.yaml
var AsyncAPI []byte
