/** A C program: compiled in parallel, archived, linked, run, and found up to date by its times. */
import { needs, shell } from '../mount/support/run.ts'
import { testOnBoth } from './support/on-both.ts'

const MAKEFILE = `objects = $(patsubst %.c,%.o,$(filter-out main.c,$(wildcard *.c)))
CFLAGS = -O1 -g -MMD
program: main.o libparts.a libshared.so
	$(CC) -o $@ main.o -L. -lparts -lshared -Wl,-rpath,'$$ORIGIN'
libparts.a: $(objects)
	$(AR) rcs $@ $^
libshared.so: $(wildcard shared/*.c)
	$(CC) -shared -fPIC -o $@ $^
-include $(wildcard *.d)
`

testOnBoth(
  'make -j2 builds a C program, and only what changed',
  { timeout: 60_000 },
  async (mount) => {
    await needs('gcc', 'gcc libc6-dev')
    await needs('make', 'make')
    const options = { cwd: mount.path, environment: { MAKEFILE }, timeoutMs: 50_000 }
    await shell(
      `printf %s "$MAKEFILE" > Makefile && mkdir shared && echo '#define BASE 1' > base.h
     echo 'int shared(void) { return 1000; }' > shared/shared.c
     { echo '#include <stdio.h>'; for n in $(seq 12); do echo "int part$n(void);"; done
       echo 'int shared(void); int main(void) { int sum = shared();'
       for n in $(seq 12); do echo "sum += part$n();"; done
       echo 'printf("%d\\n", sum); return 0; }'; } > main.c
     for n in $(seq 12); do
       printf '#include "base.h"\\nint part%d(void) { return BASE * %d; }\\n' $n $n > part$n.c
     done
     make -s -j2 && test "$(./program)" = 1078
     make -q
     sleep 0.05 && echo '#define BASE 2' > base.h && ! make -q
     make -s -j2 && test "$(./program)" = 1156
     sleep 0.05 && touch part3.c && test "$(make -j2 | grep -c -- ' -c ')" = 1`,
      options,
    )
    await shell('sync .', options)
    await mount.unmount()
    await mount.remount()
    await shell('make -q && test "$(./program)" = 1156', options)
  },
)
