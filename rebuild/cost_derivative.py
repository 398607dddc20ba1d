"""The quadratic cost is half the squared distance of answer and wish. How does it change with each
output?

    C = ½·‖y − a‖², so ∂C/∂a = a − y

Source: Nielsen, Neural Networks and Deep Learning, ch. 2, eq. (27), and its derivative in (BP1)

Check it:  kqv rebuild check cost_derivative
A hint:    kqv rebuild hint cost_derivative
"""

import numpy as np


def cost_derivative(output_activations, y):
    """C = ½·‖y − a‖², so ∂C/∂a = a − y

    In:
        output_activations  [class, 1]: what the network says: the activations a of its last layer
        y                   [class, 1]: what is wanted: 1 for the right class, 0 for the others
    Out:
        derivative          [class, 1]: how fast the cost grows with each output
    """
    return np.sum(output_activations)
