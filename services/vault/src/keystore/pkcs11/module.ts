import { existsSync } from 'node:fs'
import { ServiceError } from '@strongroom/platform'
import type * as pkcs11js from 'pkcs11js'

/** The binding's constants and classes; it is optional, so it is loaded on demand. */
export type Binding = typeof pkcs11js
export type Module = pkcs11js.PKCS11
export type Template = pkcs11js.Template
export type Mechanism = pkcs11js.Mechanism
export type Handle = pkcs11js.Handle

/** Cryptoki is initialised once per process, whichever part uses the module. */
const loaded = new Map<string, { binding: Binding; module: Module }>()

/**
 * Loads and initialises a PKCS#11 module.
 * @throws ServiceError Pkcs11BindingMissing, Pkcs11ModuleMissing or Pkcs11ModuleUnusable
 */
export async function loadModule(path: string): Promise<{ binding: Binding; module: Module }> {
  const known = loaded.get(path)
  if (known) return known
  if (!existsSync(path)) {
    throw new ServiceError({
      code: 'Pkcs11ModuleMissing',
      message: `The PKCS#11 module ${path} does not exist.`,
      expected: 'the shared library from the token’s vendor',
      found: 'nothing',
      remedy: 'Install it, or correct "module" in the keystore’s configuration.',
    })
  }
  const binding = await bindingOf()
  const module = new binding.PKCS11()
  try {
    module.load(path)
    initialise(binding, module)
  } catch (cause) {
    throw new ServiceError({
      code: 'Pkcs11ModuleUnusable',
      message: `The PKCS#11 module ${path} does not start: ${(cause as Error).message}`,
      remedy: 'Try it with `pkcs11-tool --module … --list-slots`, and check its log.',
      cause,
    })
  }
  const made = { binding, module }
  loaded.set(path, made)
  return made
}

/** Drops all sessions and connections of the module, and starts it again. */
export function restartModule(binding: Binding, module: Module): void {
  try {
    module.C_Finalize()
  } catch {
    // It was not running.
  }
  initialise(binding, module)
}

function initialise(binding: Binding, module: Module): void {
  try {
    // The binding calls from threads of Node's pool.
    module.C_Initialize({ flags: binding.CKF_OS_LOCKING_OK })
  } catch (error) {
    if (codeOf(error) !== binding.CKR_CRYPTOKI_ALREADY_INITIALIZED) throw error
  }
}

/** Return value of Cryptoki; undefined for other errors. */
export function codeOf(error: unknown): number | undefined {
  const { name, code } = error as { name?: string; code?: unknown }
  return name === 'Pkcs11Error' && typeof code === 'number' ? code : undefined
}

async function bindingOf(): Promise<Binding> {
  try {
    const imported = (await import('pkcs11js')) as Binding & { default?: Binding }
    return imported.default ?? imported
  } catch (cause) {
    throw new ServiceError({
      code: 'Pkcs11BindingMissing',
      message: 'The PKCS#11 binding was not built when the packages were installed.',
      expected: 'the npm package pkcs11js',
      found: 'none that loads',
      remedy: 'Install a C++ compiler and make (Debian: g++ make python3), then run npm rebuild pkcs11js.',
      cause,
    })
  }
}
