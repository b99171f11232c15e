import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { digestOfOutput, runProgram } from './programs.ts'

const prefix = '.drill-'

/** This process's folder beside an installation, on the same file system: copies share blocks if it can. */
export async function makeDrillFolder(stateDir: string): Promise<string> {
  const parent = dirname(stateDir)
  await removeLeftFolders(parent)
  return await mkdtemp(join(parent, `${prefix}${process.pid}-`))
}

/** From killed drills. */
async function removeLeftFolders(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = new RegExp(`^\\${prefix}(\\d+)-`).exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(parent, name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Copies an installation whose server is not running; holes are kept. */
export async function copyInstallation(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  await runProgram('cp', ['--archive', '--reflink=auto', '--sparse=always', '--no-target-directory', '--', from, to])
}

/**
 * Digest of an installation: names, modes, owners, modification times and every byte of its files, without access
 * times. Holes are not read.
 */
export async function fingerprint(stateDir: string): Promise<string> {
  return await digestOfOutput('tar', [
    '--create',
    '--sparse',
    '--sort=name',
    // Its headers contain neither the access time nor the writer's process number.
    '--format=gnu',
    '--warning=no-file-ignored',
    '--file=-',
    `--directory=${dirname(stateDir)}`,
    basename(stateDir),
  ])
}
