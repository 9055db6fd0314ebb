"""The images of stable-zed, beside plain Containerfiles of the same images built one after the other."""
