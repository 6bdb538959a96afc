/* Which paths there are. */
#ifndef PATHS_H
#define PATHS_H

#include "path.h"

/* The path for this precision, or NULL if there is none or this processor cannot run it. */
const struct path *find_path(int32_t path, int32_t precision);

#endif
