// The header in a C++ program.
#include "header_only.c"
