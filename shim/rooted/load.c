/*
 * For a guest without an emulator: libraries that a program loads by their path while it runs are looked up in the guest's
 * root first. The dynamic loader opens them by calls of its own, which only an emulator would see.
 *
 * Not part of the library that programs of the host get: there dlopen must see its true caller, whose own search path
 * counts for a name without a slash. In the guest, start.ts names all such folders to the loader.
 */
#include "../tyr.h"

#include <dlfcn.h>

DECLARE_NEXT(dlopen);
DECLARE_NEXT(dlmopen);

void *dlopen(const char *file, int mode)
{
   char buffer[TYR_PATH_MAX];
   return NEXT(dlopen)(tyr_redirect_all(file, buffer), mode);
}

void *dlmopen(Lmid_t space, const char *file, int mode)
{
   char buffer[TYR_PATH_MAX];
   return NEXT(dlmopen)(space, tyr_redirect_all(file, buffer), mode);
}
