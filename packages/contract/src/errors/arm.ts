/** What all resources share: scopes, roles, locks, tags, moves. */
export const armErrors = {
  AuthorizationFailed: {
    status: 403,
    when: 'The caller has no role that allows the action at this scope.',
    remedy: 'Ask an owner of the subscription for a role at the scope.',
  },
  BadRequest: {
    status: 400,
    when: 'A property has a value that the resource type does not accept.',
    remedy: 'Use one of the expected values.',
  },
  CannotDeleteResource: {
    status: 409,
    when: 'The resource has nested resources.',
    remedy: 'Delete the nested resources first.',
  },
  CannotModifyBuiltInRole: {
    status: 403,
    when: 'The request changes or deletes a built-in role.',
    remedy: 'Create a custom role.',
  },
  Conflict: {
    status: 409,
    when: 'The resource was changed by another request, or its state does not allow the request.',
    remedy: 'Read the resource again, then repeat the request.',
  },
  DenyAssignmentNotFound: {
    status: 404,
    when: 'There is no such deny assignment.',
    remedy: 'Use a lock instead: only Azure creates deny assignments.',
  },
  FaqRule: {
    when: 'The refusal follows from a rule of Azure’s FAQ for confidential VMs; `target` names the rule.',
    remedy: 'Read docs/proof/faq.md.',
  },
  FeatureNotFound: {
    status: 404,
    when: 'There is no such preview feature.',
    remedy: 'Skip the registration: everything offered works without it.',
  },
  FeatureUnregistrationNotSupported: {
    status: 409,
    when: 'The request unregisters a feature that is not a preview.',
    remedy: 'Leave the feature registered.',
  },
  HttpMethodNotAllowed: {
    status: 405,
    when: 'The resource type has no such method.',
    remedy: 'Use a method that the Allow header names.',
  },
  InvalidActionOrNotAction: {
    status: 400,
    when: 'A role definition names a malformed action.',
    remedy: 'Write it like Microsoft.Compute/*/read.',
  },
  InvalidApiVersionParameter: {
    status: 400,
    when: 'Azure has no such api-version.',
    remedy: 'Use the api-version that your client is built for.',
  },
  InvalidAssignableScope: {
    status: 400,
    when: 'A role definition has an assignable scope outside this installation.',
    remedy: 'Name scopes of this tenant and subscription.',
  },
  InvalidFilterInQueryString: {
    status: 400,
    when: 'A $filter is not understood.',
    remedy: 'Use a filter that docs/guides/azure-clients.md lists.',
  },
  InvalidLock: {
    status: 400,
    when: 'The lock is malformed.',
    remedy: 'Send level CanNotDelete or ReadOnly.',
  },
  InvalidParameter: {
    status: 400,
    when: 'A parameter has an invalid value.',
    remedy: 'Send what the error lists as expected.',
  },
  InvalidPrincipalId: {
    status: 400,
    when: 'A role assignment names a principal that is not a GUID.',
    remedy: 'Send the object id of the principal.',
  },
  InvalidQuery: {
    status: 400,
    when: 'A Resource Graph query is not understood.',
    remedy: 'docs/guides/azure-clients.md lists the parts of Kusto that are.',
  },
  InvalidQueryParameterValue: {
    status: 400,
    when: 'The paging token was not issued by this service.',
    remedy: 'Follow nextLink unchanged.',
  },
  InvalidRequestContent: {
    status: 400,
    when: 'The body is not JSON, or one of its members is malformed.',
    remedy: 'Send what the error lists as expected.',
  },
  InvalidRequestUri: {
    status: 400,
    when: 'The path of the request is not well formed.',
    remedy: 'Percent-encode the path.',
  },
  InvalidResourceGroupLocation: {
    status: 409,
    when: 'The resource group exists in another location.',
    remedy: 'Use its location, or another name.',
  },
  InvalidResourceLocation: {
    status: 409,
    when: 'A resource of this name exists in another location.',
    remedy: 'Leave the location as it is.',
  },
  InvalidResourceName: {
    status: 400,
    when: 'The name has characters or a length that the resource type does not allow.',
    remedy: 'Use another name.',
  },
  InvalidResourceNamespace: {
    status: 404,
    when: 'There is no resource provider of this namespace.',
    remedy: 'List them: az provider list.',
  },
  InvalidResourceReference: {
    status: 400,
    when: 'The body refers to a resource that does not exist or has the wrong type.',
    remedy: 'Create that resource first.',
  },
  InvalidResourceType: {
    status: [400, 404],
    when: 'The installation has no such resource type.',
    remedy: 'docs/reference/resource-types.md lists the types it has.',
  },
  InvalidRoleAssignmentCondition: {
    status: 400,
    when: 'The condition of a role assignment cannot be parsed, or its version is not 2.0.',
    remedy: 'Follow Azure’s format of conditions, version 2.0, and send conditionVersion "2.0".',
  },
  InvalidRoleAssignmentId: {
    status: 400,
    when: 'The name of a role assignment is not a GUID.',
    remedy: 'Use a new GUID.',
  },
  InvalidRoleDefinitionId: {
    status: 400,
    when: 'The name of a role definition is not a GUID.',
    remedy: 'Use a new GUID.',
  },
  InvalidTagName: {
    status: 400,
    when: 'A tag’s name is empty, or longer than 512 characters.',
    remedy: 'Shorten the name.',
  },
  InvalidTagNameCharacters: {
    status: 400,
    when: 'A tag’s name has a control character, or one of < > % & \\ ? /.',
    remedy: 'Use other characters.',
  },
  InvalidTagValueLength: {
    status: 400,
    when: 'A tag’s value is longer than 256 characters.',
    remedy: 'Shorten the value.',
  },
  InvalidTags: {
    status: 400,
    when: 'A resource, group or subscription would have more than 50 tags.',
    remedy: 'Use fewer tags.',
  },
  LastOwnerCannotBeRemoved: {
    status: 409,
    when: 'The request removes the last owner of the subscription.',
    remedy: 'Make another principal an owner first.',
  },
  LinkedAuthorizationFailed: {
    status: 403,
    when: 'The caller may write the resource, but may not use another resource that it refers to.',
    remedy: 'Ask an owner for a role at the linked scope.',
  },
  LocationNotAvailableForResourceType: {
    status: 400,
    when: 'The installation has no such region.',
    remedy: 'Use one of its regions: az account list-locations.',
  },
  LocationRequired: {
    status: 400,
    when: 'The location is missing.',
    remedy: 'Send one: --location.',
  },
  LockNotFound: {
    status: 404,
    when: 'There is no such lock.',
    remedy: 'List them: az lock list.',
  },
  ManagementGroupNotFound: {
    status: 404,
    when: 'There is no such management group.',
    remedy: 'Use the tenant’s root group: its name is the tenant’s id.',
  },
  MissingApiVersionParameter: {
    status: 400,
    when: 'The request has no api-version.',
    remedy: 'Add one to the query.',
  },
  NoRegisteredProviderFound: {
    status: 400,
    when: 'The resource type is not offered in this location.',
    remedy: 'Use a region of the installation.',
  },
  NotFound: {
    status: 404,
    when: 'Nothing has this name.',
    remedy: 'Check the name.',
  },
  NotSupported: {
    status: [400, 409],
    when: 'Azure offers this; this installation, or a confidential VM, does not.',
    remedy: 'Follow the error’s remedy.',
  },
  OperationNotAllowed: {
    status: [400, 409],
    when: 'The resource is in use, is in the wrong state, or a quota is used up.',
    remedy: 'Follow the error’s remedy.',
  },
  OperationNotFound: {
    status: 404,
    when: 'There is no operation with this id.',
    remedy: 'Use the address from the response that started it.',
  },
  PreconditionFailed: {
    status: 412,
    when: 'The condition of If-Match or If-None-Match was not met.',
    remedy: 'Read the resource again and apply the change to its current state.',
  },
  PropertyChangeNotAllowed: {
    status: 409,
    when: 'The request changes a property that is fixed at creation.',
    remedy: 'Create a new resource.',
  },
  ResourceGroupBeingDeleted: {
    status: 409,
    when: 'The resource group is being deleted.',
    remedy: 'Wait until the deletion ends.',
  },
  ResourceGroupDeletionBlocked: {
    status: 409,
    when: 'Resources of the group are used by resources of other groups.',
    remedy: 'Delete the resources that use them, then delete the group again.',
  },
  ResourceGroupNameInvalid: {
    status: 400,
    when: 'The name of a resource group has characters or a length that is not allowed.',
    remedy: 'Use another name.',
  },
  ResourceGroupNotFound: {
    status: 404,
    when: 'There is no such resource group.',
    remedy: 'Create it: az group create.',
  },
  ResourceMoveConflict: {
    when: 'The target group has a resource of this type and name.',
    remedy: 'Use another group.',
  },
  ResourceMoveNotSupported: {
    when: 'A resource of this type, or in this use, cannot be moved.',
    remedy: 'Leave it where it is, or move the resource it belongs to.',
  },
  ResourceMoveProviderValidationFailed: {
    status: 409,
    when: 'One of the resources cannot be moved; the details say which and why.',
    remedy: 'Leave it out, or fix what the details name.',
  },
  ResourceNotFound: {
    status: [400, 404],
    when: 'There is no such resource.',
    remedy: 'Check its id, or create it first.',
  },
  ResourceNotReadyForMove: {
    when: 'An operation on the resource is in progress.',
    remedy: 'Wait until it is ready.',
  },
  ResponsePayloadTooLarge: {
    status: 400,
    when: 'One row of a query’s result is longer than an answer may be.',
    remedy: 'Project fewer columns, or members of them.',
  },
  RoleAssignmentExists: {
    status: 409,
    when: 'The same role is assigned to the same principal at this scope.',
    remedy: 'Use the existing assignment.',
  },
  RoleAssignmentNotFound: {
    status: 404,
    when: 'There is no such role assignment.',
    remedy: 'List them: az role assignment list.',
  },
  RoleAssignmentUpdateNotPermitted: {
    status: 409,
    when: 'The request changes a role assignment.',
    remedy: 'Delete it and create a new one.',
  },
  RoleDefinitionDoesNotExist: {
    status: [400, 404],
    when: 'There is no such role definition.',
    remedy: 'List them: az role definition list.',
  },
  RoleDefinitionHasAssignments: {
    status: 400,
    when: 'The role is assigned to somebody.',
    remedy: 'Delete its assignments first.',
  },
  RoleDefinitionLimitExceeded: {
    status: 400,
    when: 'The limit on custom roles is reached.',
    remedy: 'Delete unused roles.',
  },
  RoleDefinitionNameInvalid: {
    status: 400,
    when: 'The role name is empty or too long.',
    remedy: 'Use 1 to 512 characters.',
  },
  RoleDefinitionNotAssignableAtScope: {
    status: 400,
    when: 'The role cannot be assigned at this scope.',
    remedy: 'Add the scope to the assignableScopes of the role.',
  },
  RoleDefinitionPermissionsMissing: {
    status: 400,
    when: 'A role definition has no permissions.',
    remedy: 'Send a list of permissions.',
  },
  RoleDefinitionWithSameNameExists: {
    status: 409,
    when: 'A custom role of this name exists.',
    remedy: 'Use another name.',
  },
  ScopeLocked: {
    status: 409,
    when: 'The resource, its group or its subscription is locked.',
    remedy: 'Delete the lock: az lock delete.',
  },
  SubscriptionNotFound: {
    status: 404,
    when: 'The installation has no such subscription.',
    remedy: 'Use the one that `strongroom status` shows.',
  },
  UnmatchedPrincipalType: {
    status: 400,
    when: 'The principal’s type differs from the one in the request.',
    remedy: 'Leave principalType out, or send the principal’s type.',
  },
} as const
