package app

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/paddock-run/paddock/internal/apigateway"
	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/restapi"
)

// vpcLinks are where VPC links lead, as the operator says: by a link's ID, or by
// the ARN of its load balancer, which is known before there is a link.
type vpcLinks struct {
	targets map[string]string // ID or ARN to HOST:PORT
	links   linkTargets
}

// linkTargets knows the load balancers that VPC links were made for.
type linkTargets interface {
	VPCLinkTarget(account, region, id string) string
}

var (
	_ rest.Links  = (*vpcLinks)(nil)
	_ linkTargets = (*apigateway.Service)(nil)
)

// checkVPCLinks refuses what a connection cannot be made to.
func checkVPCLinks(targets map[string]string) error {
	for _, link := range slices.Sorted(maps.Keys(targets)) {
		host, port, err := net.SplitHostPort(targets[link])
		n, bad := strconv.ParseUint(port, 10, 16)
		if err != nil || bad != nil || n == 0 || host == "" || link == "" {
			return fmt.Errorf("--vpc-link %s=%s: it is ID=HOST:PORT, such as abc123=10.0.0.5:8080", link, targets[link])
		}
	}
	return nil
}

// Target implements rest.Links.
func (v *vpcLinks) Target(api *restapi.API, id, listener string) string {
	if len(v.targets) == 0 {
		return ""
	}
	if to := v.targets[id]; to != "" {
		return to
	}
	if to := v.targets[listener]; to != "" && listener != "" {
		return to
	}
	if arn := v.links.VPCLinkTarget(api.Account, api.Region, id); arn != "" {
		return v.targets[arn]
	}
	return ""
}
