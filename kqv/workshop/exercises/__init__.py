"""The exercises, one file each: formula, dimensions, reference, tries, typical mistakes, hints."""
