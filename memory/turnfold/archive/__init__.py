"""Every kind of record memory keeps in a store, and how it is read back."""
