/* version.c - which library this is, and which MPI it found. */
#include <cae/mpi.h>

#include <stdio.h>
#include <string.h>

uint32_t cae_mpi_version_number(void)
{
    /* cppcheck-suppress badBitmaskCheck ; a patch number of 0 is one all the same */
    return (uint32_t)CAE_VERSION_MAJOR << 16 | (uint32_t)CAE_VERSION_MINOR << 8 |
           (uint32_t)CAE_VERSION_PATCH;
}

uint32_t cae_mpi_abi_version(void)
{
    return CAE_MPI_ABI_VERSION;
}

/* What an MPI says of itself may be long, and many lines: its name and number come first. */
static void name_of(char name[MPI_MAX_LIBRARY_VERSION_STRING])
{
    int length = 0;

    if (MPI_Get_library_version(name, &length) != MPI_SUCCESS)
        length = 0;
    name[length] = '\0';
    name[strcspn(name, ",\n")] = '\0';
    for (char *c = name; *c; c++)
        if (*c == '\t')
            *c = ' ';
}

size_t cae_mpi_build_info(char *text, size_t capacity)
{
    char name[MPI_MAX_LIBRARY_VERSION_STRING];
    int version = 0, subversion = 0;

    name_of(name);
    MPI_Get_version(&version, &subversion);
    const int length = snprintf(text, capacity, "libcae_mpi %d.%d.%d, MPI %d.%d, %s",
                                CAE_VERSION_MAJOR, CAE_VERSION_MINOR, CAE_VERSION_PATCH, version,
                                subversion, name);
    return length > 0 ? (size_t)length : 0;
}
