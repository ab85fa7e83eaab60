/* launcher.h - was this process started as one of several by an MPI launcher? */
#ifndef TRAINER_LAUNCHER_H
#define TRAINER_LAUNCHER_H

#include <stdbool.h>

struct launcher {
    bool found;
    int ranks;  /* as the launcher says; 0 when it does not */
};

struct launcher launcher_find(void);

#endif
