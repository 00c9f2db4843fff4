package plan

// Budget is how many bytes a decoder may allocate for what a message of size
// bytes holds. A message can be dense ("[{},{},{}…]" of a structure with a
// hundred members), so honest use needs some multiple of its size; a decoder
// that goes over it refuses the message instead of exhausting the machine.
func Budget(size int) int {
	const factor, base = 40, 1 << 20
	return size*factor + base
}
