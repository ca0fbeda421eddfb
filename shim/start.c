/*
 * How a program of the guest is started by another one.
 *
 * The host's kernel knows neither the guest's root nor, mostly, its architecture. So what it would do is done here: look
 * the file up (in the guest's root first), check it, follow `#!` lines (Linux fs/binfmt_script.c), and write the command
 * line that src/host/userland/start.ts writes for the first program: the emulator's, or that of the guest's dynamic
 * loader on a host that needs no emulator. A file of another architecture is the host's: it is executed as it is, without
 * what belongs to the guest's dynamic loader.
 *
 * Nothing here takes a lock or memory from the heap.
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* e_machine (elf.h) of this library, which is the guest's; its loader, and where Debian has it. */
#if defined __aarch64__
#define MACHINE 183
#define LIBRARIES "/usr/lib/aarch64-linux-gnu"
#define LOADER "ld-linux-aarch64.so.1"
#elif defined __x86_64__
#define MACHINE 62
#define LIBRARIES "/usr/lib/x86_64-linux-gnu"
#define LOADER "ld-linux-x86-64.so.2"
#else
#error "neither arm64 nor amd64"
#endif

#define LIBRARY_NAME "libtyr-drm.so"
/* More words than the kernel takes (they would not fit the stack). */
#define WORDS_MAX (1 << 18)

/* --- the file --- */

static int fits(char *out, const char *text)
{
   size_t n = strlen(text);
   if (n >= TYR_PATH_MAX)
      return ENAMETOOLONG;
   memcpy(out, text, n + 1);
   return 0;
}

/* What /proc/self/fd/N points to, without qemu's or our own view of it. */
static int real_name(int fd, char out[TYR_PATH_MAX])
{
   char link[32];
   sprintf(link, "/proc/self/fd/%d", fd);
   ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, out, TYR_PATH_MAX - 1);
   if (n < 0)
      return errno == ENOENT ? EBADF : errno;
   out[n] = 0;
   return 0;
}

/* A name for an open file that is good after exec, too. */
static int locate_descriptor(int fd, char out[TYR_PATH_MAX])
{
   struct stat open_file, named;
   int flags = fcntl(fd, F_GETFD);
   if (flags < 0 || tyr_stat(fd, "", &open_file, AT_EMPTY_PATH) < 0)
      return errno;
   int error = real_name(fd, out);
   if (!error && tyr_stat(AT_FDCWD, out, &named, 0) == 0 && named.st_dev == open_file.st_dev && named.st_ino == open_file.st_ino)
      return 0;
   /* A file without a name: the emulator, too, has to open it by its number, so it needs one that stays. */
   if (flags & FD_CLOEXEC)
      fd = fcntl(fd, F_DUPFD, 3);
   if (fd < 0)
      return errno;
   sprintf(out, "/proc/self/fd/%d", fd);
   return 0;
}

/* Where the host has the file that the guest calls `path`. */
static int locate(int dirfd, const char *path, int flags, char out[TYR_PATH_MAX])
{
   int fd = tyr_descriptor_path(path);

   if (fd >= 0)
      return locate_descriptor(fd, out);
   if (!*path)
      return flags & AT_EMPTY_PATH ? locate_descriptor(dirfd, out) : ENOENT;
   if (path[0] == '/') {
      if (tyr_in_root(path, out))
         return 0;
      if (tyr_of_the_guest(path))
         return ENOENT;
      if (tyr_is_own_exe(path)) {
         ssize_t n = tyr_own_exe(out, TYR_PATH_MAX - 1);
         if (n < 0)
            return errno;
         out[n] = 0;
         return 0;
      }
      return fits(out, path);
   }
   if (dirfd == AT_FDCWD) { /* "./": for the emulator, what starts with a dash is an option */
      memcpy(out, "./", 2);
      return strlen(path) + 2 < TYR_PATH_MAX ? fits(out + 2, path) : ENAMETOOLONG;
   }
   int error = real_name(dirfd, out);
   if (error)
      return error;
   size_t n = strlen(out);
   if (n + 1 + strlen(path) >= TYR_PATH_MAX)
      return ENAMETOOLONG;
   out[n] = '/';
   strcpy(out + n + 1, path);
   return 0;
}

/* The file's first bytes, if the caller may execute it. Returns their number or -errno. */
static ssize_t peek(const char *file, int flags, unsigned char *head, size_t size)
{
   struct stat st;
   if (tyr_stat(AT_FDCWD, file, &st, flags & AT_SYMLINK_NOFOLLOW) < 0)
      return -errno;
   if (S_ISLNK(st.st_mode))
      return -ELOOP;
   if (!S_ISREG(st.st_mode))
      return -EACCES;
   if (syscall(SYS_faccessat, AT_FDCWD, file, X_OK) < 0)
      return -errno;
   int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
   if (fd < 0)
      return -errno;
   ssize_t n;
   do
      n = pread(fd, head, size, 0);
   while (n < 0 && errno == EINTR);
   if (n < 0)
      n = -errno;
   close(fd);
   return n;
}

static unsigned number(const unsigned char *at, int bytes)
{
   unsigned value = 0;
   while (bytes--)
      value = value << 8 | at[bytes];
   return value;
}

/* Does an ELF file ask for a dynamic loader (PT_INTERP)? */
static int is_dynamic(const unsigned char *head, ssize_t n)
{
   unsigned at = number(head + 32, 4), size = number(head + 54, 2), count = number(head + 56, 2);
   for (; count-- && at + 4 <= (size_t)n; at += size)
      if (number(head + at, 4) == 3)
         return 1;
   return 0;
}

/* Splits a line "#! interpreter argument" in place. The argument is the rest of the line, or NULL. */
static int split_line(char *line, size_t length, char **interpreter, char **argument)
{
   static const char blank[] = " \t";
   line[length] = 0;
   char *end = strchr(line, '\n');
   char *at = line + 2 + strspn(line + 2, blank);
   if (!end && at[strcspn(at, blank)] == 0 && length == TYR_SCRIPT_LINE - 1)
      return ENOEXEC; /* its name is cut off */
   if (end)
      *end = 0;
   for (end = line + strlen(line); end > at && strchr(blank, end[-1]); end--)
      end[-1] = 0;
   if (!*at)
      return ENOEXEC;
   *interpreter = at;
   at += strcspn(at, blank);
   *argument = NULL;
   if (*at) {
      *at++ = 0;
      at += strspn(at, blank);
      if (*at)
         *argument = at;
   }
   return 0;
}

HIDDEN int tyr_find_start(struct tyr_start *start, int dirfd, const char *path, int flags, const char *argv0)
{
   const struct tyr_guest *guest = tyr_guest();
   unsigned char head[1024];
   /* The words are found from the last to the first. */
   const char **words = start->words + 2 * TYR_SCRIPTS;
   char *interpreter, *argument;

   start->argv0 = argv0;
   for (int depth = 0;; depth++) {
      int error = locate(dirfd, path, flags, start->file);
      if (error)
         return error;
      ssize_t n = peek(start->file, flags, head, sizeof head);
      if (n < 0)
         return -n;
      if (n >= 64 && memcmp(head, "\177ELF", 4) == 0) {
         start->ours = number(head + 18, 2) == MACHINE && (guest->emulator[0] || is_dynamic(head, n));
         if (!start->ours && guest->emulator[0]) {
            /* The kernel would refuse it, too, but posix_spawn under qemu-user does not hear of it. */
            unsigned char host[64];
            if (peek(guest->emulator, 0, host, sizeof host) < 64 || memcmp(head + 18, host + 18, 2) != 0)
               return ENOEXEC;
         }
         break;
      }
      if (n < 3 || head[0] != '#' || head[1] != '!')
         return ENOEXEC;
      if (depth == TYR_SCRIPTS)
         return ELOOP;
      char *line = start->lines[depth];
      size_t length = n < TYR_SCRIPT_LINE ? n : TYR_SCRIPT_LINE - 1;
      memcpy(line, head, length);
      error = split_line(line, length, &interpreter, &argument);
      if (error)
         return error;
      if (!*path || (dirfd != AT_FDCWD && path[0] != '/' && !(flags & TYR_WILL_BE_THERE))) {
         /* A script that only a descriptor names is called so; its interpreter must find that open. */
         if (fcntl(dirfd, F_GETFD) & FD_CLOEXEC)
            return ENOENT;
         if (strlen(path) + 32 > sizeof start->descriptor)
            return ENAMETOOLONG;
         sprintf(start->descriptor, *path ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, path);
         path = start->descriptor;
      }
      *--words = path;
      if (argument)
         *--words = argument;
      start->argv0 = path = interpreter;
      dirfd = AT_FDCWD;
      flags = 0;
   }
   start->count = start->words + 2 * TYR_SCRIPTS - words;
   memmove(start->words, words, start->count * sizeof *words);
   return 0;
}

/* --- the command line --- */

/* The value if `assignment` is NAME=value, else NULL. */
static const char *value_of(const char *assignment, const char *name)
{
   size_t n = strlen(name);
   return strncmp(assignment, name, n) == 0 && assignment[n] == '=' ? assignment + n + 1 : NULL;
}

static const char *find(char *const envp[], const char *name)
{
   const char *value = NULL;
   for (; envp && *envp && !value; envp++)
      value = value_of(*envp, name);
   return value;
}

/* Has a list like LD_PRELOAD this item, or one that ends so after a slash? */
static int lists(const char *list, const char *separators, const char *item)
{
   size_t n = strlen(item);
   while (list && *list) {
      size_t length = strcspn(list, separators);
      if (length >= n && memcmp(list + length - n, item, n) == 0 && (length == n || list[length - n - 1] == '/'))
         return 1;
      list += length;
      list += strspn(list, separators);
   }
   return 0;
}

/* Can LD_PRELOAD name a file in this folder by its path? Its items end at blanks and colons. */
static int can_be_listed(const char *folder)
{
   return !strpbrk(folder, ": \t\n");
}

/* Writes "PREFIXFOLDER/NAME" or "PREFIXFOLDER/NAME:list", the item only if the list has none of that name. Returns the end. */
static char *join(char *out, const char *prefix, const char *folder, const char *name, const char *list, const char *separators)
{
   int more = list && *list;
   out += sprintf(out, "%s", prefix);
   if (!lists(list, separators, name))
      out += sprintf(out, "%s%s%s%s", folder, *folder && *name ? "/" : "", name, more ? ":" : "");
   return out + sprintf(out, "%s", more ? list : "") + 1;
}

static size_t length_of(const char *text)
{
   return text ? strlen(text) : 0;
}

HIDDEN int tyr_with_start(const struct tyr_start *start, char *const argv[], char *const envp[],
                          int (*go)(void *context, const char *file, char **argv, char **envp), void *context)
{
   const struct tyr_guest *guest = tyr_guest();
   const char *preload = find(envp, "LD_PRELOAD"), *path = find(envp, "LD_LIBRARY_PATH");
   size_t arguments = 0, variables = 0;

   while (argv && argv[arguments])
      arguments++;
   while (envp && envp[variables])
      variables++;
   if (arguments + variables > WORDS_MAX) {
      errno = E2BIG;
      return -1;
   }

   /* Texts of our own: the two lists, the guest's library folders and its loader. */
   char text[length_of(preload) + length_of(path) + 2 * strlen(guest->library) + strlen(guest->folders) +
             strlen(guest->behind) + 4 * guest->root_length + 512];
   char *words[arguments + start->count + 10], *variable[variables + 5];
   char *preload_text, *path_text, *at = text;
   size_t n = 0, m = 0;
   int emulated = guest->emulator[0] != 0, by_path = can_be_listed(guest->library);
   const char *file = start->file;

   preload_text = at;
   at = join(at, emulated ? "LD_PRELOAD=" : "", by_path ? guest->library : "", LIBRARY_NAME, preload, ": ");
   path_text = at;
   if (emulated) {
      at = join(at, "LD_LIBRARY_PATH=", "", guest->library, path, ":;");
   } else {
      const char *folders[5] = { by_path ? "" : guest->library, guest->folders, path ? path : "", "", "" };
      for (int i = 0; i < 3; i++)
         at += sprintf(at, "%s%s", folders[i], *folders[i] ? ":" : "");
      at += sprintf(at, "%s" LIBRARIES ":%s/usr/lib", guest->root, guest->root);
      at += sprintf(at, "%s%s", *guest->behind ? ":" : "", guest->behind) + 1;
   }

   if (start->ours && emulated) {
      file = words[n++] = (char *)guest->emulator;
      words[n++] = "-L";
      words[n++] = (char *)guest->root;
      words[n++] = "-cpu";
      words[n++] = TYR_CPU;
      words[n++] = "-0";
   } else if (start->ours) {
      sprintf(at, "%s" LIBRARIES "/" LOADER, guest->root);
      file = words[n++] = at;
      words[n++] = "--library-path";
      words[n++] = path_text;
      words[n++] = "--preload";
      words[n++] = preload_text;
      words[n++] = "--argv0";
   }
   words[n++] = (char *)start->argv0;
   if (start->ours)
      words[n++] = (char *)start->file;
   for (int i = 0; i < start->count; i++)
      words[n++] = (char *)start->words[i];
   for (size_t i = 1; i < arguments; i++)
      words[n++] = argv[i];
   words[n] = NULL;

   /* A program that the loader is told the folders of passes the variable on. One of the host's has no use for the guest's. */
   int replaces_path = !start->ours || (emulated && !by_path);
   for (size_t i = 0; i < variables; i++) {
      if (value_of(envp[i], "LD_PRELOAD") || (replaces_path && value_of(envp[i], "LD_LIBRARY_PATH")))
         continue;
      if (!start->ours && value_of(envp[i], TYR_GUEST))
         continue;
      variable[m++] = envp[i];
   }
   if (start->ours) {
      if (!find(envp, TYR_GUEST))
         variable[m++] = (char *)guest->variable;
      if (guest->machine && !find(envp, TYR_ENVIRONMENT))
         variable[m++] = (char *)guest->machine;
      if (emulated) {
         variable[m++] = preload_text;
         if (!by_path)
            variable[m++] = path_text;
      }
   }
   variable[m] = NULL;
   return go(context, file, words, variable);
}
