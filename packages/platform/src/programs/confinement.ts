import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync, statSync } from 'node:fs'

/** What a program is held to that works on bytes of somebody else's: a VM's QEMU and TPM, a reader of images. */
export interface Confinement {
  /** Number of the user and of the one group that it runs as; absent where this process may not give up its own user. */
  user?: number
  /** Files and directories that it opens by name, beside the system's programs and libraries. Absent: the kernel has no Landlock. */
  opens?: { read?: string[]; write?: string[] }
}

/** Threads and processes of one user. QEMU has some for each virtual CPU and 64 for its disks. */
const mostProcesses = 512

const reading = ['read-file', 'read-dir'] as const
const writing = ['write-file', 'truncate'] as const
const directoryWriting = ['make-reg', 'make-sock', 'remove-file'] as const
const ofDirectories: readonly string[] = ['read-dir', ...directoryWriting]

/** Programs, libraries, what the loader and the cryptographic libraries read, and devices that hold nothing. */
const system = {
  run: ['/usr', '/bin', '/sbin', '/lib', '/lib64'],
  read: ['/etc/ld.so.cache', '/etc/ld.so.preload', '/etc/ssl/openssl.cnf', '/dev/urandom', '/dev/random', '/dev/zero'],
  write: ['/dev/null'],
}

function rule(path: string, rights: readonly string[]): string[] {
  if (!existsSync(path)) return []
  const directory = statSync(path).isDirectory()
  const fitting = rights.filter((right) => directory || !ofDirectories.includes(right))
  return ['--landlock-rule', `path-beneath:${fitting.join(',')}:${path}`]
}

/** Landlock's rules as setpriv(1) takes them. @param program absolute path of what is run */
function landlock(opens: NonNullable<Confinement['opens']>, program: string): string[] {
  const running = ['execute', ...reading]
  return [
    '--landlock-access',
    'fs',
    ...[...system.run, program].flatMap((path) => rule(path, running)),
    ...[...system.read, ...(opens.read ?? [])].flatMap((path) => rule(path, reading)),
    ...[...system.write, ...(opens.write ?? [])].flatMap((path) =>
      rule(path, [...reading, ...writing, ...directoryWriting]),
    ),
  ]
}

/**
 * The beginning of a command line that holds a program to this; it replaces itself by what follows. No privilege comes back
 * by a set-user-ID program, no capability is left, no core file of its memory is written.
 * @param program absolute path
 */
export function confined(o: Confinement, program: string): { options: string[]; before: string[] } {
  const privileges =
    o.user === undefined
      ? []
      : ['--reuid', String(o.user), '--regid', String(o.user), '--clear-groups'].concat(
          ['--inh-caps', '--ambient-caps', '--bounding-set'].flatMap((set) => [set, '-all']),
        )
  return {
    options: [
      '--no-new-privs',
      ...privileges,
      ...(o.opens === undefined ? [] : landlock(o.opens, realpathSync(program))),
    ],
    // Of a user with other programs the limit counts those too, and would refuse at random.
    before: [
      'prlimit',
      '--core=0:0',
      ...(o.user === undefined ? [] : [`--nproc=${mostProcesses}:${mostProcesses}`]),
      '--',
    ],
  }
}

let offered: boolean | undefined

/** Whether kernel and setpriv(1) have Landlock: asked once, by a program that is held to what every confined one is. */
export function hasLandlock(): boolean {
  offered ??=
    spawnSync('setpriv', [...landlock({ write: ['/tmp'] }, '/usr/bin/true'), '--', '/usr/bin/true']).status === 0
  return offered
}
