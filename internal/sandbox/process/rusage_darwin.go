package process

const maxrssUnit = 1 // ru_maxrss is in bytes
