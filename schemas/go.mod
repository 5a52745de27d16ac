module github.com/verdict-stream/verdict/schemas

go 1.26.0
