"""A whole adder on one page: every weight and every activation of one sum."""
