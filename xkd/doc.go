// Package xkd is the method: cross-modal knowledge distillation with domain alignment (Sarkar and Etemad, AAAI 2024), as
// one static graph per training step, with its configuration, schedules, trainer, checkpoints and features.
//
// A program takes a Config (Default, ReadConfig), a device (package device) and clips (a media.Source), makes a Trainer by New
// and trains by its Run; OpenEncoder then gives features, and Probe tells what they are worth.
//
// It promises that a run which was stopped and resumed gives the bits of one that was not, on the same device; that a
// checkpoint is replaced whole or not at all; that settings which cannot be or contradict each other are refused by name; and
// that failures which decide something can be told apart by errors.Is (see errors.go).
package xkd
