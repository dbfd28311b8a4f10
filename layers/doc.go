// Package layers builds parts of the networks: each function adds nodes to a graph. It knows neither devices nor data.
//
// It promises that a parameter is declared once, by Params, with everything that is decided about it (decay, freezing,
// modality, teacher) as fields, and named as the released code's state dict names it.
package layers
