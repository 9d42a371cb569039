// Package doctor decides from facts about a node, its configuration and Vault
// what is wrong, why that matters and what to do. Every check is a pure function
// of the facts; the command gathers them.
//
// A check that could not be made says so. The package must never know how facts
// are gathered, nor the content of a secret: of a credential file it knows only
// which users can read it. It changes nothing.
package doctor
