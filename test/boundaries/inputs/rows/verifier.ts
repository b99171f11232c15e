import { authenticated, ignored, measured, under, unprotected, type Section } from '../row.ts'

const machine = 'The verifier believes the machine that it runs on'
const cache =
  'packages/firmware/src/guest-firmware.test.ts: is not taken from a cache that somebody wrote to: ' +
  'with the loader, or one byte changed'
/** What a link says to be the host's word (docs/design/0026-who-vouches.md). */
const stated =
  'packages/trust/src/provenance/known.test.ts: does not hold on what the host states: it does not compile, and is refused where it does'

export const evidence: Section = {
  id: 'evidence',
  title: 'Members of the evidence of a boot',
  about:
    '`BootEvidence`, `StatelessBootEvidence` and what is in them (`packages/contract/src/wires/host/boot-evidence.ts`), ' +
    'as CLI and portal read them.',
  rows: [
    authenticated(
      'processor’s key, under a pinned root',
      ['S1', 'S5', 'S8', 'T2'],
      [
        ...under('SnpEvidence.', 'crl kind report vcekChainPem'),
        ...under('TdxEvidence.', 'collateral kind quote tdReport'),
        'BootFacts.silicon',
      ],
    ),
    authenticated(
      'Intel’s signing key, under a pinned root',
      ['T3', 'T4', 'T6', 'T7'],
      [
        ...under(
          'TdxCollateralBody.',
          'pckCrl pckCrlIssuerChainPem qeIdentity qeIdentityIssuerChainPem rootCaCrl tcbInfo',
        ),
        'TdxCollateralBody.tcbInfoIssuerChainPem',
      ],
    ),
    measured('report data', 'claims', 'S4', ['BootFacts.runtimeClaims']),
    measured('claims', 'claims', 'H6', ['BootFacts.vmId']),
    measured(
      'attestation key in the claims',
      'vtpm',
      ['V2', 'V6'],
      [...under('BootFacts.vtpm.', 'akCertificateChainPem akCertificatePem akPublic hclReport')],
    ),
    authenticated(
      'attestation key, in the attested claims',
      ['V3', 'V4', 'H6'],
      [...under('BootFacts.measuredBoot.', 'eventLog pcrs quoteMessage quoteSignature userspaceLog')],
    ),
    measured('PCR 14', 'settings', ['B5', 'H24'], ['BootFacts.settled']),
    measured('PCR 15', 'disk', 'D1', [
      ...under('BootFacts.osDisk.opened.', 'cipher keyBits luksUuid sectorBytes'),
      'BootFacts.osDisk.encryption',
    ]),
    authenticated('key of image measurements, pinned', ['H6', 'H29'], ['BootFacts.measurements']),
    authenticated('publisher’s key, in the measurements', 'H14', [
      'BootFacts.update.certificate',
      'BootFacts.update.document',
    ]),
    authenticated('a key in KEK or PK; the variables replay to PCR 7', 'H15', [
      'BootFacts.secureBoot.base',
      'BootFacts.secureBoot.updates',
      ...under('VariableUpdateFacts.', 'appended at by signed variable'),
    ]),
    authenticated(
      'key that the attestation provider publishes',
      ['H6', 'K4', 'K7'],
      [...under('BootEvidence.attestation.', 'issuer token')],
    ),
    authenticated(
      'release certificate, under the installation’s authority',
      ['H6', 'H17'],
      [
        ...under('BootEvidence.release.', 'at jws keyId'),
        ...under('BootEvidence.customerRelease.', 'at diskEncryptionSet jws keyId'),
      ],
    ),
    ignored(
      'stated by the host: decides nothing',
      [stated, 'H6'],
      [
        ...under('BootFacts.', 'bootId guestRan simulated startedAt tee version'),
        ...under(
          'BootFacts.expected.',
          'firmwareSha256 interfaces launchMeasurement memoryMiB pcrs vCPUs vcpuType volume',
        ),
        ...under('BootFacts.measuredBoot.', 'nonce reportedAt'),
        'BootFacts.osDisk.keyPcrs',
        'BootFacts.vtpm.program',
        'BootEvidence.attestation.jwks.keys',
        ...under('BootEvidence.guestState.', 'format freshDataKey generation'),
      ],
    ),
    ignored(
      'chooses the links that are required, which then have to hold',
      'packages/trust/src/links/claims-link.test.ts: is refused with a transfer key, and with anything of the operator’s in the evidence',
      ['StatelessBootEvidence.shownAt', 'StatelessBootEvidence.stateless'],
    ),
  ],
}

export const managerAnswers: Section = {
  id: 'manager-answers',
  title: 'Members of the resource manager’s answers on the trust path',
  about: '`VmRecord`, `AskedSettings`, `VmConnection` and the answer of the guest that runs now.',
  rows: [
    authenticated('attestation key, over the verifier’s challenge', 'H27', [
      ...under('FreshQuote.', 'pcrs quoteMessage quoteSignature userspaceLog'),
    ]),
    authenticated('attestation key, over the verifier’s challenge', 'H38', [
      ...under('FreshQuote.launch.', 'message signature'),
    ]),
    authenticated(
      'record of the creator: theirs counts, and the first trusted boot’s',
      ['H6', 'H22', 'H32', 'B5'],
      [
        ...under('AskedSettings.', 'adminUsername customDataSha256 passwordSha256 sshPublicKeys'),
        'VmRecord.location',
        ...under(
          'VmRecord.properties.',
          'hardwareProfile.vmSize securityProfile.firmwareUpdates ' +
            'securityProfile.uefiSettings.secureBootEnabled securityProfile.attestationProvider.id ' +
            'storageProfile.imageReference vmId',
        ),
        ...under(
          'VmRecord.properties.storageProfile.osDisk.managedDisk.securityProfile.',
          'diskEncryptionSet.id securityEncryptionType',
        ),
      ],
    ),
    authenticated('SSH host key, in PCR 15', 'H26', [
      'VmConnection.adminUsername',
      ...under('VmConnection.ssh.', 'host port user'),
    ]),
  ],
}
export const verifierRecords: Section = {
  id: 'verifier-records',
  title: 'Members of the files that the server leaves for the CLI',
  about:
    '`TrustAnchors` (`anchors.json`), `ServerRecord` (`server.json`), `VerifierSettings` (`attestation-verifiers.json`).',
  rows: [
    authenticated(
      'the person’s own copy, made at first use',
      'H30',
      under('TrustAnchors.', 'amd aws images intel simulated'),
    ),
    ignored(
      'where the server is, and what is shown of it: what it answers is judged',
      ['H6', 'H22'],
      [...under('ServerRecord.', 'mode pid ports.local ports.tls region startTime subscriptionId tenantId')],
    ),
    ignored(
      'told in the report',
      'packages/trust/src/links/satisfied-policy.test.ts: that names Azure’s shared provider is met where the operator has ours ' +
        'stand for it, and that is told',
      ['ServerRecord.mapsAzureProviders'],
    ),
    unprotected(machine, [
      'ServerRecord.caPath',
      ...under('VerifierSettings.', 'authority collateral connect.host connect.port issuer keys name'),
    ]),
  ],
}

export const verifierFiles: Section = {
  id: 'verifier-files',
  title: 'Files and sockets of `strongroom vm trust`',
  about:
    'Traced while it verifies a running VM. `STATE` and `CACHE` are folders of the installation, `CONFIG` is the person’s, `SOURCE` ' +
    'the program; folders of the system stand for what is in them.',
  rows: [
    authenticated('the person’s own copy, made at first use', 'H30', ['STATE/anchors.json', 'STATE/ca.pem']),
    authenticated('installation’s authority, as first used', ['H30', 'H6'], ['127.0.0.1 TLS port']),
    authenticated('Debian’s firmware, from which it is built again', cache, ['CACHE/firmware/*.fd']),
    ignored('where the server is: what it answers is judged', ['H6', 'H22'], ['STATE/run/owner.sock']),
    unprotected(machine, [
      ...under('CONFIG/', 'asked/*.json asked/.lock known-vms/*.json roots/*.json'),
      ...under('', '/dev /etc /lib /proc /sys /usr /var SOURCE STATE/attestation-verifiers.json STATE/server.json'),
    ]),
  ],
}

export const verifierEnvironment: Section = {
  id: 'verifier-environment',
  title: 'Environment of the CLI, storage of the portal',
  about: 'Variables that sources of CLI and packages read, and what the portal keeps in the browser.',
  rows: [
    unprotected(machine, [
      ...under('', 'CREDENTIALS_DIRECTORY DISPLAY HOME PATH TMPDIR TPM2TOOLS_TCTI WAYLAND_DISPLAY'),
      ...under('STRONGROOM_', 'CACHE_DIR FIRMWARE HIDE_OWNER_SECRET MASTER_KEY_FILE PASSPHRASE_FILE STATE_DIR'),
      ...under('XDG_', 'CACHE_HOME CONFIG_HOME RUNTIME_DIR STATE_HOME'),
      ...under('strongroom.', 'known-vm log-head pinned-boot pinned-roots seen-boots session-binding'),
    ]),
  ],
}
