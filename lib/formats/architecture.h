/* architecture.h - a network's layers as JSON text, and back. */
#ifndef CAE_ARCHITECTURE_H
#define CAE_ARCHITECTURE_H

#include "../network/network.h"
#include "json.h"

void cae__architecture_write(struct cae__text *text, const cae_model *model);
/* A description with every check of the API made on it. */
cae_status cae__architecture_read(cae_spec **out, cae_context *context, const char *text);

#endif
