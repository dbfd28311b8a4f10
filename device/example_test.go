package device_test

import (
	"context"
	"errors"
	"fmt"

	"goxkd/device"
)

// "auto" takes the best GPU, or the CPU path where there is none.
func ExampleOpen() {
	d, err := device.Open(context.Background(), device.AutoName)
	if err != nil {
		panic(err)
	}
	defer d.Close()
	fmt.Println(d.Name() != "")

	_, err = device.Open(context.Background(), "fastest")
	fmt.Println(errors.Is(err, device.ErrName))
	// Output:
	// true
	// true
}
