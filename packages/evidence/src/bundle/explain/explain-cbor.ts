import type { CcaToken } from '../../cca/token.ts'
import type { NitroDocument } from '../../nitro/document.ts'
import { type SvsmManifest, svsmVtpmService } from '../../svsm/manifest.ts'
import { bytesText, type Field, hexNumber } from './field.ts'

const row = (name: string, value: string, meaning: string): Field => ({ name, value, meaning })
const given = (bytes: Uint8Array | undefined): string => (bytes === undefined ? 'none' : bytesText(bytes))

export function explainNitro(document: NitroDocument): Field[] {
  return [
    row('kind', document.kind, 'An enclave, or an instance with NitroTPM'),
    row('module_id', document.moduleId, 'What issued it, at AWS'),
    row('timestamp', document.timestamp.toISOString(), 'When'),
    row('algorithm', document.sign1.algorithm.name, 'How it is signed'),
    ...[...document.pcrs].map(([index, value]) =>
      row(`pcr ${index}`, bytesText(value), 'Register; 0 to 2 of an enclave: image, kernel, application'),
    ),
    row('public_key', given(document.publicKey), 'Key that the guest had bound'),
    row('user_data', given(document.userData), 'What the guest had bound'),
    row('nonce', given(document.nonce), 'Challenge from the verifier'),
    row('cabundle', `${document.cabundle.length} certificates`, 'Issuers of the signer’s certificate, root first'),
  ]
}

export function explainCca({ platform, realm }: CcaToken): Field[] {
  return [
    row('platform.implementationId', bytesText(platform.implementationId), 'Kind of the platform'),
    row('platform.instanceId', bytesText(platform.instanceId), 'This platform'),
    row('platform.lifecycle', hexNumber(platform.lifecycle), '0x3000 to 0x30ff: secured; others can be debugged'),
    row('platform.challenge', bytesText(platform.challenge), 'Digest of the realm’s key'),
    row('realm.challenge', bytesText(realm.challenge), 'Challenge from the verifier'),
    row('realm.personalization', bytesText(realm.personalization), 'What the host gave at launch'),
    row('realm.initialMeasurement', bytesText(realm.initialMeasurement), 'Measurement of the realm at launch'),
    ...realm.extensibleMeasurements.map((value, index) =>
      row(`realm.rem${index}`, bytesText(value), 'Register that the realm extends'),
    ),
    row('realm.publicKey', bytesText(realm.publicKey), 'Key that signs for the realm'),
  ]
}

export function explainSvsm({ services }: SvsmManifest): Field[] {
  return services.map(({ guid, data }) =>
    row(
      guid,
      bytesText(data),
      guid === svsmVtpmService ? 'vTPM: public area of its endorsement key' : 'Service of the SVSM',
    ),
  )
}
