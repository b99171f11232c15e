import { authenticated, ignored, measured, under, unprotected, type Section } from '../row.ts'

const cloudInit = 'What cloud-init takes from the host at the first boot'
const script = 'signature of the owner over the script'

export const agentLines: Section = {
  id: 'agent-lines',
  title: 'What the metadata endpoint gives to the guest’s programs',
  about:
    'The lines of `provisioning`, `commands/next` and `challenges/next`, as the host writes them. Programs of the image ask for no ' +
    'other part of the endpoint; cloud-init, in its own image, asks for its files.',
  rows: [
    measured(
      'PCR 14, the vTPM’s index and the claims',
      'settings',
      ['H24', 'B5', 'H7'],
      [...under('provisioning ', 'adminUsername caPem customData hostname passwordHash sshPublicKey vmId')],
    ),
    measured('challenge of the verifier, whose answer is fresh', 'running-guest', 'H27', [
      'challenges id',
      'challenges nonce',
      'provisioning nonce',
    ]),
    authenticated('certificates of the servers behind it', ['H4/proxy', 'H7'], ['provisioning proxy']),
    authenticated(script, 'H23', ['commands limit', 'commands script']),
    ignored('a signed script gets no variables', 'H23', ['commands id', 'commands variable']),
    ignored(
      'only delays the report until the further devices are there',
      'services/host/src/network/metadata-server.test.ts: tells the agent one line per value, so that a value can add no line',
      ['provisioning furtherDevices'],
    ),
  ],
}

export const guestNetwork: Section = {
  id: 'guest-network',
  title: 'What the guest takes from its network by DHCP',
  about: 'Variables of `common/address` and settings of systemd-networkd, in the recipes.',
  rows: [
    ignored(
      'addresses alone: no name, domain, resolver or time server, and a way out by the first interface only',
      ['H4/dhcp-answers', 'H31'],
      [
        ...under('address ', 'interface ip mask router'),
        ...under(
          'further-network.conf ',
          'ClientIdentifier=mac DHCP=ipv4 IPv6AcceptRA=no LinkLocalAddressing=no Type=ether',
        ),
        ...under(
          'further-network.conf ',
          'UseDNS=no UseDomains=no UseGateway=no UseHostname=no UseNTP=no UseRoutes=no',
        ),
        ...under(
          'network.conf ',
          'ClientIdentifier=mac DHCP=ipv4 IPv6AcceptRA=no KeepConfiguration=static LinkLocalAddressing=no',
        ),
        ...under('network.conf ', 'Name=eth0 Type=ether UseDomains=no UseHostname=no'),
      ],
    ),
  ],
}

export const listeners: Section = {
  id: 'listeners',
  title: 'Sockets on which a booted guest listens to its network',
  about: 'From `ss` in a running VM, without those of its own loopback.',
  rows: [
    authenticated(
      'SSH keys of the owner; the SSH host key is in PCR 15',
      ['B5', 'H26'],
      ['tcp 0.0.0.0:22', 'tcp [::]:22'],
    ),
  ],
}

export const endpointRoutes: Section = {
  id: 'endpoint-routes',
  title: 'Routes of the metadata endpoint',
  about: 'As the host serves them.',
  rows: [
    measured('PCR 14: see the lines', 'settings', ['H24', 'B5'], ['GET /metadata/strongroom/provisioning']),
    authenticated('root of AMD or Intel', ['S1', 'T8'], ['GET /amd/certification']),
    authenticated('processor’s key, under a root of AMD or Intel', ['S4', 'T2'], ['POST /hcl-report', 'POST /tdquote']),
    authenticated(
      'installation’s authority',
      ['K6', 'V6'],
      ['GET /attested/document', 'GET /tvm/certificate/query', 'POST /tvm/certificate/renew'],
    ),
    authenticated('identity service’s key, which relying parties fetch', 'K7', ['GET /info', 'GET /oauth2/token']),
    authenticated(script, 'H23', ['GET /commands/next']),
    authenticated('attestation key, over the verifier’s challenge', 'H27', ['GET /challenges/next']),
    ignored(
      'a status',
      'services/host/src/image/agent.test.ts: reports again where a report had no answer, and takes a refusal at once',
      [
        'POST /challenges/:id',
        'POST /commands/:id',
        'POST /metadata/strongroom/health',
        'POST /metadata/strongroom/ready',
      ],
    ),
    ignored(
      'no program of the images asks for it',
      'test/boundaries/inputs/inputs.test.ts: asks for no other path of the endpoint',
      [
        'GET /instance',
        'GET /instance/*',
        'GET /loadbalancer',
        'GET /scheduledevents',
        'GET /versions',
        'POST /scheduledevents',
      ],
    ),
    unprotected(cloudInit, ['GET /cloud-init/:file']),
  ],
}

export const instanceMembers: Section = {
  id: 'instance-metadata',
  title: 'Members of `/metadata/instance`',
  about: 'Of a VM with everything. They are the host’s word; what the silicon says of the VM is in its claims.',
  rows: [
    ignored(
      'no program of the images asks for it',
      'test/boundaries/inputs/inputs.test.ts: asks for no other path of the endpoint',
      [
        'compute.additionalCapabilities.hibernationEnabled',
        ...under(
          'compute.',
          'azEnvironment customData evictionPolicy extendedLocation.name extendedLocation.type host.id ' +
            'isHostCompatibilityLayerVm licenseType location name offer osType placementGroupId',
        ),
        ...under('compute.osProfile.', 'adminUsername computerName disablePasswordAuthentication'),
        ...under(
          'compute.',
          'plan.name plan.product plan.publisher platformFaultDomain platformSubFaultDomain ' +
            'platformUpdateDomain priority provider publicKeys[].keyData publicKeys[].path publisher ' +
            'resourceGroupName resourceId sku subscriptionId tags tagsList[].name tagsList[].value',
        ),
        ...under('compute.securityProfile.', 'encryptionAtHost secureBootEnabled securityType virtualTpmEnabled'),
        ...under(
          'compute.storageProfile.dataDisks[].',
          'createOption image.uri managedDisk.id managedDisk.storageAccountType name vhd.uri ' +
            'bytesPerSecondThrottle caching diskCapacityBytes diskSizeGB isSharedDisk isUltraDisk lun ' +
            'opsPerSecondThrottle writeAcceleratorEnabled',
        ),
        ...under('compute.storageProfile.imageReference.', 'id offer publisher sku version'),
        ...under(
          'compute.storageProfile.osDisk.',
          'createOption image.uri managedDisk.id managedDisk.storageAccountType name vhd.uri caching ' +
            'diffDiskSettings.option diskSizeGB encryptionSettings.enabled osType writeAcceleratorEnabled',
        ),
        'compute.storageProfile.resourceDisk.size',
        ...under('compute.', 'userData version virtualMachineScaleSet.id vmId vmScaleSetName vmSize zone'),
        ...under(
          'network.interface[].ipv4.',
          'ipAddress[].privateIpAddress ipAddress[].publicIpAddress subnet[].address subnet[].prefix',
        ),
        'network.interface[].macAddress',
      ],
    ),
  ],
}
