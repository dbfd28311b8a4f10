package xkd

// HeldPrefix begins the names of figures on held-out clips.
const HeldPrefix = "held_"
