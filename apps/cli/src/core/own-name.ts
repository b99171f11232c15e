import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { inRepository, repositoryOf } from './repository.ts'

/** Where a program runs from, and what its shell can find. */
export interface Started {
  /** Folder of this program's module. */
  directory: string
  cwd: string
  env: NodeJS.ProcessEnv
}

const here = (): Started => ({ directory: import.meta.dirname, cwd: process.cwd(), env: process.env })
const serviceState = '/var/lib/strongroom'

/** `npx` and scripts of npm put a package's folder on the path of what they start only: the person's shell does not have it. */
const isNpms = (folder: string): boolean => folder.endsWith('/node_modules/.bin')

/** Whether `strongroom` in the person's shell is the launcher. */
function isOnPath(launcher: string, env: NodeJS.ProcessEnv): boolean {
  const folders = (env['PATH'] ?? '').split(':').filter((folder) => folder !== '' && !isNpms(folder))
  const found = folders.map((folder) => join(folder, 'strongroom')).find((file) => existsSync(file))
  return found !== undefined && realpathSync(found) === realpathSync(launcher)
}

/** The npm package has its launcher beside this program; the Debian package and the container do not. */
const npmLauncher = ({ directory }: Started): string | undefined =>
  [join(directory, 'strongroom.cjs')].find((file) => existsSync(file))

/** What the person types to run this program, by how it was installed: a clone, the npm package, or a system package. */
export function ownName(started: Started = here()): string {
  const { directory, cwd, env } = started
  if (inRepository(directory)) {
    const repository = repositoryOf(directory)
    const launcher = join(repository, 'strongroom')
    if (cwd === repository) return './strongroom'
    return isOnPath(launcher, env) ? 'strongroom' : launcher
  }
  const launcher = npmLauncher(started)
  return launcher === undefined || isOnPath(launcher, env) ? 'strongroom' : 'npx strongroom'
}

/** A command of this program as the person types it. @param words for example `vm show first` */
export const ownCommand = (words: string, started?: Started): string => `${ownName(started)} ${words}`

/** What a shell's completion runs, in any folder: a path, or the name that a system package puts on the path. */
export function ownProgram(started: Started = here()): string {
  if (inRepository(started.directory)) return join(repositoryOf(started.directory), 'strongroom')
  return npmLauncher(started) ?? 'strongroom'
}

/** What starts the server of a state directory. The npm package brings no guests. */
export function startCommand(state: string, started: Started = here()): string {
  if (!inRepository(started.directory) && npmLauncher(started) !== undefined) {
    const isNew = !existsSync(join(state, 'installation.json'))
    return ownCommand(`up --no-vm${isNew ? ' --compute simulated' : ''}`, started)
  }
  const isService = state === serviceState && existsSync('/usr/lib/systemd/system/strongroom.service')
  return isService ? 'systemctl start strongroom' : ownCommand('up', started)
}

/**
 * A fixed text, such as a remedy of the catalogue or an example, with its `strongroom COMMAND` as the person types it.
 * @param words the first words of commands
 */
export function asTyped(text: string, words: readonly string[], name: string = ownName()): string {
  const command = new RegExp(String.raw`(?<![\w./@:-])strongroom (?=(?:${words.join('|')})(?![\w-]))`, 'g')
  return text.replaceAll(command, () => `${name} `)
}
