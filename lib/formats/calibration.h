/* calibration.h - a model's threshold as JSON text; see docs/file-format.md. */
#ifndef CAE_FORMATS_CALIBRATION_H
#define CAE_FORMATS_CALIBRATION_H

#include "json.h"
#include "../network/network.h"

void cae__calibration_write(struct cae__text *text, const struct cae__calibration *calibration);
cae_status cae__calibration_read(struct cae__calibration *calibration, const cae_context *context,
                                 const char *text);

#endif
