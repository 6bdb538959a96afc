"""Random models, texts, structs and files against the kernel under AddressSanitizer: `make fuzz`."""
