import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { accessSync, constants } from 'node:fs'
import { CliError, exitCodes } from '../../core/cli-error.ts'

/** Starts and confines the server's programs. */
const program = 'setpriv'

/** The launcher's exit code if it found nothing to replace: EX_USAGE of sysexits.h. */
const nothingReplaced = 64

/**
 * The host's QEMU: a launcher in front of the server's PATH, which adds and replaces arguments of one VM's QEMU and
 * starts it with the host's own rights, without the server's confinement. Everything else is started unchanged. A
 * replacement that finds nothing ends it with 64: an attack that changed nothing must not pass for one that held.
 */
export class HostQemu {
  readonly folder: string
  readonly #added: string[] = []
  readonly #replaced: [string, string][] = []
  readonly #whole: [string, string][] = []
  readonly #parts: string[] = []
  #order: number[] | undefined
  readonly #endpoints: [string, string][] = []
  #diskCopy = ''

  constructor(folder: string) {
    this.folder = folder
  }

  add(...args: string[]): void {
    this.#added.push(...args)
  }

  /** Replaces text inside arguments. */
  replace(from: string, to: string): void {
    this.#replaced.push([from, to])
  }

  /** Replaces the one argument with this prefix. */
  replaceArgument(beginning: string, argument: string): void {
    this.#whole.push([beginning, argument])
  }

  /** Replaces the part with this number, between commas, of one argument by its number; without a text it is left out. */
  editPart(argument: number, part: number, text: string | undefined): void {
    this.#parts.push(String(argument), String(part), text === undefined ? '-' : `=${text}`)
  }

  /** Gives the arguments in this order, by their numbers: some twice, or not at all. */
  order(numbers: readonly number[]): void {
    this.#order = [...numbers]
  }

  /** The arguments that the server last gave, the program's name first; none if it started no QEMU. */
  async given(): Promise<string[]> {
    const text = await readFile(join(this.folder, 'given'), 'utf8').catch(() => '')
    return text.split('\0').slice(0, -1)
  }

  /** Puts a socket of the host's in place of one of the guest's endpoints, which moves to `NAME.real`. */
  takeOver(endpoint: string, socket: string): void {
    this.#endpoints.push([endpoint, socket])
  }

  /** Copies the VM's OS disk at its next power-on, before the guest writes to it. */
  copyDisk(to: string): void {
    this.#diskCopy = to
  }

  /** Writes the program. @param vm the server's name for the guest; without it, every QEMU of the server's is changed */
  async install(vm?: string): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o755 })
    const list = async (name: string, words: string[]): Promise<void> =>
      await writeFile(join(this.folder, name), words.map((word) => `${word}\0`).join(''))
    await list('added', this.#added)
    await list('replaced', this.#replaced.flat())
    await list('whole', this.#whole.flat())
    await list('endpoints', this.#endpoints.flat())
    await list('parts', this.#parts)
    await list('order', (this.#order ?? []).map(String))
    // Of a boot before: by now the number may be another process's.
    for (const name of ['pid', 'given', 'runtime']) await rm(join(this.folder, name), { force: true })
    const path = join(this.folder, program)
    await writeFile(path, script({ real: findProgram(), folder: this.folder, vm, diskCopy: this.#diskCopy }))
    await chmod(path, 0o755)
  }

  /** Of the VM's QEMU. */
  async pid(): Promise<number | undefined> {
    const text = await readFile(join(this.folder, 'pid'), 'utf8').catch(() => '')
    return text === '' ? undefined : Number(text)
  }
}

/** Quoted for bash. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const script = (o: { real: string; folder: string; vm: string | undefined; diskCopy: string }): string => `#!/bin/bash
real=${quoted(o.real)} folder=${quoted(o.folder)} guest=${quoted(o.vm === undefined ? ' guest=' : ` guest=${o.vm},`)}
copy=${quoted(o.diskCopy)}
case " $* " in
  *"$guest"*) ;;
  *) exec "$real" "$@" ;;
esac
mapfile -d '' -t added <"$folder/added"
mapfile -d '' -t replaced <"$folder/replaced"
mapfile -d '' -t whole <"$folder/whole"
mapfile -d '' -t endpoints <"$folder/endpoints"
mapfile -d '' -t parts <"$folder/parts"
mapfile -d '' -t order <"$folder/order"
while [[ $1 != -- ]]; do shift; done
shift
printf '%s\\0' "$@" >"$folder/given"
arguments=() missing=
found=() foundWhole=()
for argument in "$@"; do
  for ((i = 0; i < \${#replaced[@]}; i += 2)); do
    [[ $argument == *"\${replaced[i]}"* ]] || continue
    argument=\${argument//"\${replaced[i]}"/"\${replaced[i + 1]}"} found[i]=1
  done
  for ((i = 0; i < \${#whole[@]}; i += 2)); do
    [[ $argument == "\${whole[i]}"* ]] && argument=\${whole[i + 1]} foundWhole[i]=1
  done
  arguments+=("$argument")
  [[ $argument == *,opaque=*/os-disk.raw && $copy && ! -e $copy ]] && cp --sparse=always "\${argument##*,opaque=}" "$copy"
  [[ $argument == *,opaque=*/variables.fd ]] && runtime=\${argument##*,opaque=} && runtime=\${runtime%/variables.fd}
done
for ((i = 0; i < \${#replaced[@]}; i += 2)); do [[ \${found[i]} ]] || missing+=" \${replaced[i]}"; done
for ((i = 0; i < \${#whole[@]}; i += 2)); do [[ \${foundWhole[i]} ]] || missing+=" \${whole[i]}"; done
for ((i = 0; i < \${#parts[@]}; i += 3)); do
  IFS=, read -r -d '' -a pieces < <(printf '%s\\0' "\${arguments[parts[i]]}")
  n=\${parts[i + 1]}
  [[ -v pieces[n] ]] || missing+=" part $n of argument \${parts[i]}"
  if [[ \${parts[i + 2]} == - ]]; then unset "pieces[n]"; else pieces[n]=\${parts[i + 2]#=}; fi
  joined=$(IFS=,; printf %s "\${pieces[*]}") arguments[parts[i]]=$joined
done
if ((\${#order[@]})); then
  given=("\${arguments[@]}") arguments=()
  for n in "\${order[@]}"; do
    [[ -v given[n] ]] || missing+=" argument $n"
    arguments+=("\${given[n]}")
  done
fi
if [[ $missing ]]; then
  echo "drill: no argument of QEMU's contains what should be replaced:$missing" >&2
  exit ${nothingReplaced}
fi
for ((i = 0; i < \${#endpoints[@]}; i += 2)); do
  mv "$runtime/\${endpoints[i]}" "$runtime/\${endpoints[i]}.real"
  ln -s "\${endpoints[i + 1]}" "$runtime/\${endpoints[i]}"
done
echo "$runtime" >"$folder/runtime"
echo $$ >"$folder/pid"
# A name without a folder is one of the host’s own files.
cd "$folder"
exec "$real" --pdeathsig KILL -- "\${arguments[@]}" "\${added[@]}"
`

function findProgram(): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, program)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      continue
    }
  }
  throw new CliError({
    code: 'MissingProgram',
    message: `Cannot find ${program}.`,
    remedy: 'apt-get install -y util-linux',
    exitCode: exitCodes.missingPrerequisite,
  })
}
