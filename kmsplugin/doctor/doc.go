// Package doctor decides from facts about a node, its configuration and Vault
// what is wrong, why that matters and what to do. Whoever gathers the facts
// stands outside; every check is a pure function of them.
//
// A check that could not be made says so: it never passes over what was not
// looked at. What this package must never know: how facts are gathered, a
// secret (of a credential file it knows who may read it, not what is in it), or
// anything that it would have to change.
package doctor
