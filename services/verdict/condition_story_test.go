package main

import (
	"fmt"
	"slices"
	"strings"
)

// condition is what a story says about an answer: path=value, path!=value or path~part, where
// the part is an element of a list. A value is written as in JSON, strings without quotes.
type condition struct {
	path, operator, value string
}

func parseConditions(words []string) ([]condition, error) {
	var conditions []condition
	for _, word := range words {
		at := strings.IndexAny(word, "=!~")
		if at < 1 {
			return nil, fmt.Errorf("%q is not a condition", word)
		}
		operator := word[at : at+1]
		if strings.HasPrefix(word[at:], "!=") {
			operator = "!="
		}
		conditions = append(conditions, condition{word[:at], operator, word[at+len(operator):]})
	}
	return conditions, nil
}

// check returns an error for the first condition that does not hold.
func check(answer []byte, conditions []condition) error {
	document, err := decodeJSON(answer)
	if err != nil {
		return err
	}
	for _, c := range conditions {
		node, err := descend(document, strings.Split(c.path, "."))
		if err != nil {
			return fmt.Errorf("%s: %w in %s", c.path, err, answer)
		}
		list, _ := node.([]any)
		texts := make([]string, len(list))
		for i := range list {
			texts[i] = plain(list[i])
		}
		var holds bool
		switch c.operator {
		case "=":
			holds = plain(node) == c.value
		case "!=":
			holds = plain(node) != c.value
		case "~":
			holds = slices.Contains(texts, c.value)
		}
		if !holds {
			return fmt.Errorf("%s%s%s does not hold, it is %s in %s", c.path, c.operator, c.value, plain(node), answer)
		}
	}
	return nil
}

// plain is a value as it stands in a condition.
func plain(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, err := encodeJSON(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
