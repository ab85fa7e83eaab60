/* without.c - in place of png.c and jpeg.c, in builds that have neither of the libraries. */
#include "images.h"

static cae_status refuse(const cae_context *context, const char *name)
{
    return cae__fail(context, CAE_ERR_UNSUPPORTED,
                     "%s: this libcae was built without libpng and libjpeg-turbo, see the build "
                     "option -Dimages=enabled", name);
}

cae_status cae__images_check(const cae_context *context)
{
    return refuse(context, "PNG and JPEG");
}

cae_status cae__png_read(struct cae__numbers *image, const cae_context *context,
                         const unsigned char *data, size_t size)
{
    (void)image, (void)data, (void)size;
    return refuse(context, "PNG");
}

cae_status cae__png_write(unsigned char **data, size_t *size, const cae_context *context,
                          const struct cae__numbers *image)
{
    (void)data, (void)size, (void)image;
    return refuse(context, "PNG");
}

cae_status cae__jpeg_read(struct cae__numbers *image, const cae_context *context,
                          const unsigned char *data, size_t size)
{
    (void)image, (void)data, (void)size;
    return refuse(context, "JPEG");
}

cae_status cae__jpeg_write(unsigned char **data, size_t *size, const cae_context *context,
                           const struct cae__numbers *image)
{
    (void)data, (void)size, (void)image;
    return refuse(context, "JPEG");
}
