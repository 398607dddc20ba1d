"""What a training will take, before it begins: parameters, memory, operations, time."""
