package provider

//go:generate go run ../internal/gen/providers . all/all.go
//go:generate go run ../internal/gen/machines ../../docs/machines.md
