/* report.h - what a run found out, as a table, as JSON and as pictures. */
#ifndef TRAINER_REPORT_H
#define TRAINER_REPORT_H

#include "run.h"

/* Evaluate on the test images, write the reports to --out and print the table. */
bool report(struct run *run);

#endif
