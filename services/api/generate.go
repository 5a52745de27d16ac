package api

//go:generate go run github.com/verdict-stream/verdict/pkg/internal/gen/api answers_gen.go parameters_gen.go
