import { ServiceError } from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import { objectOf } from '../objects/attributes.ts'
import type { App, Request } from './admission.ts'
import { admitHsmChange, admitToHsm, type HsmAppParts } from './hsm-admission.ts'

/** The only setting of a managed HSM. Keys are created on the data plane only, so it is always off, and enabling it is refused. */
const throughArm = { name: 'AllowKeyManagementOperationsThroughARM', value: 'false', type: 'boolean' }

/** `/settings`: what `az keyvault setting` and the SDKs' settings clients read and write. */
export function addHsmSettingsRoutes(app: App, parts: HsmAppParts): void {
  app.get('/settings', async (request) => {
    await admitToHsm(parts, request, { action: 'settings/read/action' })
    return { settings: [throughArm] }
  })

  app.get('/settings/:name', async (request) => {
    await admitToHsm(parts, request, { action: 'settings/read/action' })
    return settingOf(request)
  })

  app.patch('/settings/:name', (request) =>
    admitHsmChange(parts, request, { action: 'settings/write/action' }, async () => {
      const setting = settingOf(request)
      const { value } = objectOf(request.body, 'body')
      if (value === false || (typeof value === 'string' && value.toLowerCase() === setting.value)) return setting
      throw badParameter('Keys of a managed HSM cannot be managed through the resource manager.', {
        target: 'value',
        expected: setting.value,
        found: shown(value),
        remedy: 'Create and change keys at the address of the managed HSM (az keyvault key create --hsm-name).',
      })
    }),
  )
}

function settingOf(request: Request): typeof throughArm {
  const { name } = request.params as { name: string }
  if (name.toLowerCase() === throughArm.name.toLowerCase()) return throughArm
  throw new ServiceError({
    code: 'SettingNotFound',
    message: 'A managed HSM has no such setting.',
    target: 'name',
    expected: throughArm.name,
    found: shown(name),
    remedy: 'List the settings (GET /settings).',
  })
}
