// Package npy writes arrays in NumPy's formats: .npy, version 1.0 or 2.0, and .npz, which is a zip file of them.
package npy
