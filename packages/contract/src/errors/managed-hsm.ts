/** What managed HSMs have beside keys: activation, local roles, backups, settings. */
export const managedHsmErrors = {
  BuiltInRole: {
    status: 409,
    when: 'A built-in role of a managed HSM was to be changed.',
    remedy: 'Make a role of your own.',
  },
  HsmNotActivated: {
    when: 'Nobody holds the security domain of the managed HSM yet.',
    remedy: 'Download its security domain, or upload one.',
  },
  JobNotFound: {
    status: 404,
    when: 'There is no such backup, restore or upload.',
    remedy: 'Use the address that its start was answered with.',
  },
  ManagedHsmNotFound: {
    status: 404,
    when: 'There is no such managed HSM.',
    remedy: 'Check its name, or recover it if it was deleted.',
  },
  RoleAssignmentExists: {
    status: 409,
    when: 'The role is assigned already.',
    remedy: 'Use the assignment that is there.',
  },
  RoleAssignmentLimitExceeded: {
    status: 409,
    when: 'The managed HSM has as many role assignments as it may.',
    remedy: 'Delete those that are not used.',
  },
  RoleAssignmentNotFound: {
    status: 404,
    when: 'There is no such role assignment in the managed HSM.',
    remedy: 'List them: az keyvault role assignment list.',
  },
  RoleDefinitionHasAssignments: {
    status: 409,
    when: 'The role is assigned to somebody.',
    remedy: 'Delete its assignments first.',
  },
  RoleDefinitionLimitExceeded: {
    status: 409,
    when: 'The managed HSM has as many custom roles as it may.',
    remedy: 'Delete those that are not used.',
  },
  RoleDefinitionNotFound: {
    status: 404,
    when: 'There is no such role in the managed HSM.',
    remedy: 'List them: az keyvault role definition list.',
  },
  RoleDefinitionWithSameNameExists: {
    status: 409,
    when: 'A custom role of this name exists.',
    remedy: 'Use another name.',
  },
  SettingNotFound: {
    status: 404,
    when: 'A managed HSM has no such setting.',
    remedy: 'List them: GET /settings.',
  },
} as const
